"""What the OTEL_* variables mean."""

from __future__ import annotations

import pytest

from observability.settings import Destination, destination, resource

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def test_nobody_is_assumed_to_listen() -> None:
    assert destination("traces", {}) is None


@pytest.mark.parametrize(
    "off",
    [{"OTEL_SDK_DISABLED": "TRUE"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "console, none"}],
)
def test_what_is_turned_off_goes_nowhere(off: dict[str, str]) -> None:
    assert destination("traces", {BASE: "http://c:4318", **off}) is None


def test_the_common_endpoint_gets_a_path_and_the_signals_own_is_taken_as_it_is() -> None:
    environment = {BASE: "http://c:4318/", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/in"}
    assert destination("traces", environment) == Destination(url="https://t/in")
    assert destination("logs", environment) == Destination(url="http://c:4318/v1/logs")
    assert destination("logs", {BASE: "c:4318"}) == Destination(url="http://c:4318/v1/logs")


def test_a_signals_own_setting_wins_over_the_common_one() -> None:
    environment = {
        BASE: "http://c:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc=, broken ,x=1",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x=2",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "soon",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
    }
    traces, logs = destination("traces", environment), destination("logs", environment)
    assert traces is not None
    assert logs is not None
    assert traces.headers == (("authorization", "Basic abc="), ("x", "1"))
    assert (logs.headers, logs.timeout, logs.gzip, logs.authorities) == ((("x", "2"),), 2.5, True, "ca.pem")
    assert traces.timeout == 10.0


def test_who_is_speaking() -> None:
    assert dict(resource({})) == {"service.name": "headrace"}
    said = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,deployment.environment.name=pro%20d"}
    assert dict(resource(said, node="n1")) == {
        "service.name": "a",
        "service.instance.id": "n1",
        "deployment.environment.name": "pro d",
    }
    assert dict(resource({**said, "OTEL_SERVICE_NAME": "b"}))["service.name"] == "b"
