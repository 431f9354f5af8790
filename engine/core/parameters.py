"""The parameters of a flow: validated, coerced and made JSON at the door."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from engine.core.arguments import resolve_hints
from engine.core.codec import Codec, shown, type_name
from engine.model.errors import NotStorable, ParameterError


class Parameters:
    """What one flow takes. Adapters are built when first needed, so that declaring a flow costs nothing."""

    __slots__ = ("_adapters", "_fn", "_signature", "label")

    def __init__(self, fn: Callable[..., Any], label: str) -> None:
        self._fn = fn
        self.label = label
        self._signature = inspect.signature(fn)
        self._adapters: dict[str, Codec] | None = None
        for parameter in self._signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ParameterError(
                    f"flow {label}: the parameter `{parameter}` has no name of its own to be stored under; "
                    f"flows take plain named parameters"
                )

    @property
    def names(self) -> list[str]:
        """Names, in order."""
        return list(self._signature.parameters)

    def describe(self) -> list[tuple[str, str, str | None]]:
        """Name, type and default (None: required) of each, for people."""
        hints = resolve_hints(self._fn)
        rows: list[tuple[str, str, str | None]] = []
        for name, parameter in self._signature.parameters.items():
            default = None if parameter.default is parameter.empty else repr(parameter.default)
            rows.append((name, type_name(_bare(hints.get(name, Any))), default))
        return rows

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a call as validated values, defaults included. Raises ParameterError, naming the parameter."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ParameterError(f"flow {self.label}: {error}; it takes {self._signature}") from None
        bound.apply_defaults()
        return {name: self._validated(name, value) for name, value in bound.arguments.items()}

    def bind_text(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Arguments typed by a person, as validated values. Raises ParameterError, naming the parameter.

        Each text is tried as it stands, then as JSON, so that `day=2026-01-01`, `n=3` and `ids=[1,2]` all work.
        """
        values: dict[str, Any] = {}
        for name, text in texts.items():
            if name not in self._signature.parameters:
                near = difflib.get_close_matches(name, self.names, 1)
                hint = f"; did you mean `{near[0]}`?" if near else f"; it takes {', '.join(self.names) or 'none'}"
                raise ParameterError(f"flow {self.label} has no parameter `{name}`{hint}")
            values[name] = self._from_text(name, text)
        missing = [
            name
            for name, parameter in self._signature.parameters.items()
            if parameter.default is parameter.empty and name not in values
        ]
        if missing:
            kinds = {name: kind for name, kind, _ in self.describe()}
            raise ParameterError(f"flow {self.label} needs {', '.join(f'{name}=<{kinds[name]}>' for name in missing)}")
        return self.bind((), values)

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """A JSON object with sorted names: equal parameters are equal bytes. Raises ParameterError."""
        parts: list[str] = []
        for name in sorted(values):
            try:
                data, _ = self._codecs()[name].freeze(values[name])
            except NotStorable as error:
                raise ParameterError(f"flow {self.label}: the parameter `{name}` cannot be stored: {error}") from error
            parts.append(f"{json.dumps(name)}:{data.decode()}")
        return ("{" + ",".join(parts) + "}").encode()

    def decode(self, data: bytes) -> dict[str, Any]:
        """Values from JSON, those of parameters that no longer exist left out. Raises ParameterError."""
        raw: dict[str, Any] = json.loads(data)
        values: dict[str, Any] = {}
        for name, codec in self._codecs().items():
            if name not in raw:
                continue
            try:
                values[name] = codec.decode(json.dumps(raw[name]).encode())
            except NotStorable as error:
                raise ParameterError(
                    f"flow {self.label}: the stored parameter `{name}` no longer fits: {error}"
                ) from error
        return values

    def _codecs(self) -> dict[str, Codec]:
        if self._adapters is None:
            hints = resolve_hints(self._fn)
            self._adapters = {
                name: Codec(hints.get(name, Any), f"{self.label}({name})") for name in self._signature.parameters
            }
        return self._adapters

    def _validated(self, name: str, value: Any) -> Any:
        try:
            return self._codecs()[name].validate(value)
        except ValueError as error:
            if value is self._signature.parameters[name].default:
                return value  # `day: date = None`: the author's own, and what cannot be stored is refused later
            raise self._misfit(name, shown(value), error) from None

    def _from_text(self, name: str, text: str) -> Any:
        codec = self._codecs()[name]
        try:
            return codec.validate(text)
        except ValueError as error:
            first = error
        try:
            return codec.validate(json.loads(text))
        except (ValueError, RecursionError):
            raise self._misfit(name, repr(text), first) from None

    def _misfit(self, name: str, given: str, error: ValueError) -> ParameterError:
        declared = type_name(_bare(resolve_hints(self._fn).get(name, Any)))
        return ParameterError(
            f"flow {self.label}: the parameter `{name}` is declared as {declared}, and {given[:80]} does not fit: "
            f"{first_reason(error)}"
        )


def first_reason(error: ValueError) -> str:
    """The first message of a pydantic validation error, without its frame."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    details = errors(include_url=False)
    where = ".".join(str(part) for part in details[0]["loc"])
    return f"{where}: {details[0]['msg']}" if where else str(details[0]["msg"])


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
