"""What the OTEL_* variables say: where spans and logs go, with which headers, and under whose name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote

from observability.record import Attributes

Signal: TypeAlias = Literal["traces", "logs"]
Environment: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One OTLP/HTTP endpoint. `timeout` is in seconds, for one request."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    gzip: bool = False
    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None


def destination(signal: Signal, environment: Environment) -> Destination | None:
    """Where a signal goes, or None: nothing is set, or it is turned off. Nobody is assumed to listen on localhost."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    exporters = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").split(",")
    if "none" in (exporter.strip() for exporter in exporters):
        return None

    def setting(name: str) -> str:
        own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}"
        return (environment.get(own) or environment.get(common) or "").strip()

    url = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    if not url and (base := environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()):
        url = f"{base.rstrip('/')}/v1/{signal}"
    if not url:
        return None
    return Destination(
        url=url if "://" in url else f"http://{url}",
        headers=tuple(_pairs(setting("HEADERS"))),
        timeout=_seconds(setting("TIMEOUT"), 10.0),
        gzip=setting("COMPRESSION").lower() == "gzip",
        authorities=setting("CERTIFICATE") or None,
        certificate=setting("CLIENT_CERTIFICATE") or None,
        key=setting("CLIENT_KEY") or None,
    )


def resource(environment: Environment, *, node: str = "") -> Attributes:
    """Who is speaking: `service.name` and whatever else the variables say, and the node's id."""
    attributes = {"service.name": "headrace"}
    if node:
        attributes["service.instance.id"] = node
    attributes.update(_pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", "")))
    if name := environment.get("OTEL_SERVICE_NAME", "").strip():
        attributes["service.name"] = name
    return tuple(sorted(attributes.items()))


def _pairs(text: str) -> list[tuple[str, str]]:
    """`a=1,b=%20` as pairs. What has no `=` is left out, as the specification asks."""
    split = (part.partition("=") for part in text.split(",") if "=" in part)
    return [(unquote(key.strip()), unquote(value.strip())) for key, _, value in split if key.strip()]


def _seconds(text: str, default: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return default
    return seconds if seconds > 0 else default
