"""Telemetry over HTTPS, and to nobody: the run is not harmed, and what did not arrive is counted and told."""

# trustme takes the contexts of pyOpenSSL as well, which is not here.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from engine import Engine, flow, task
from engine.model.run import RunState
from engine.ports.telemetry import WHOLE
from tests.support.otlp import Receiver, check_whole


@task
async def fetch(number: int) -> int:
    return number


@flow
async def small() -> int:
    return sum([await fetch(number) for number in range(3)])


OUTLINE = ["flow small", "  queue small", "  task fetch", "  task fetch", "  task fetch"]


@dataclass(frozen=True)
class Backend:
    """A receiver over TLS that asks for a certificate when `mutual`, and the files of its clients."""

    receiver: Receiver
    authority: str
    another_authority: str
    certificate: str


@pytest.fixture(params=["server only", "mutual"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    ours, another = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(tls)
    if request.param == "mutual":
        ours.configure_trust(tls)
        tls.verify_mode = ssl.CERT_REQUIRED
    ours.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    another.cert_pem.write_to_path(str(tmp_path / "another.pem"))
    ours.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    with Receiver(tls=tls) as receiver:
        yield Backend(receiver, str(tmp_path / "ours.pem"), str(tmp_path / "another.pem"), str(tmp_path / "client.pem"))


def speak(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


async def run_once(path: Path) -> str:
    """Run the flow in an engine of its own, which sends what it can before it closes; the id of its trace."""
    async with Engine(f"sqlite:///{path}", flows=[small]) as engine:
        run = await engine.start(small.bind(), id="it")
        assert await run.result() == 3
        return (await run.record()).trace


async def test_with_the_right_certificates_the_trace_is_whole(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(
        monkeypatch,
        **backend.receiver.environment,
        OTEL_EXPORTER_OTLP_CERTIFICATE=backend.authority,
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=backend.certificate,
    )
    trace = await run_once(tmp_path / "state.db")
    whole = backend.receiver.trees()[trace]
    check_whole(whole)
    assert whole.outline() == OUTLINE


@pytest.mark.parametrize("wrong", ["another authority", "no authority"])
async def test_a_backend_that_cannot_be_trusted_gets_nothing_and_this_is_told(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    monkeypatch.setattr("engine.wiring.FAREWELL", 0.5)
    speak(monkeypatch, **backend.receiver.environment, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=backend.certificate)
    if wrong == "another authority":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", backend.another_authority)
    await run_once(tmp_path / "state.db")
    assert backend.receiver.spans == []
    assert "does not take spans (SSLCertVerificationError" in caplog.text
    assert "5 spans were not sent to https://127.0.0.1" in caplog.text
    assert "before the engine closed; the next engine on this store sends them" in caplog.text


@pytest.mark.parametrize("name", ["CERTIFICATE", "CLIENT_CERTIFICATE"])
@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["no file", "no certificate"])
async def test_a_certificate_that_is_none_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, content: bytes | None
) -> None:
    file = tmp_path / "certificate.pem"
    if content is not None:
        file.write_bytes(content)
    speak(
        monkeypatch,
        OTEL_EXPORTER_OTLP_ENDPOINT="https://127.0.0.1:1",
        **{f"OTEL_EXPORTER_OTLP_{name}": str(file)},
    )
    await run_once(tmp_path / "state.db")
    assert "No telemetry: " in caplog.text
    assert str(file) in caplog.text


async def test_a_backend_that_is_down_for_a_whole_run_gets_its_trace_from_the_next_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headrace.telemetry")
    monkeypatch.setattr("engine.wiring.FAREWELL", 0.5)
    receiver = Receiver()
    receiver.start()
    receiver.stop()  # now the port is known, and nobody listens on it
    speak(monkeypatch, **receiver.environment)
    trace = await run_once(tmp_path / "state.db")
    assert "does not take spans" in caplog.text
    assert "5 spans were not sent" in caplog.text
    with receiver:
        async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[small]) as engine:
            record = await (await engine.get("it")).record()
            assert (record.state, record.exported < WHOLE) == (RunState.SUCCEEDED, True), "not marked as sent"
            await receiver.until(lambda: trace in receiver.trees() and len(receiver.trees()[trace].spans) >= 5)
        whole = receiver.trees()[trace]
    check_whole(whole)
    assert whole.outline() == OUTLINE
