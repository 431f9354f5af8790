"""Runs and journal lines to make spans of."""

from __future__ import annotations

import json

from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.run import RunRecord, RunState
from engine.ports.telemetry import RunIdentity

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
ROOT = 0x77


def identity(num: int = 1, *, sampled: bool = True) -> RunIdentity:
    trace = (0xAB << 120 | num).to_bytes(16, "big")
    return RunIdentity(num, f"run-{num}", "sales", "7", trace, ROOT, 0, sampled, "schedule", "run-1")


def record(num: int = 1, **changes: object) -> RunRecord:
    plain = RunRecord(
        num=num, id=f"run-{num}", flow="sales", version="7", fingerprint="", python="3.11", params=b"{}",
        state=RunState.RUNNING, epoch=1, owner="n", created=START, started=START + SECOND, ended=None, wake_at=None,
        timeout=None, crashes=0, cancel=None, result=None, result_blob=None, error=None,
        trace=identity(num).trace.hex(), span=ROOT, sampled=True, parent=None, parent_key=None, parent_span=0,
        rerun_of=None, origin="schedule",
    )  # fmt: skip
    return plain._replace(**changes)  # type: ignore[arg-type]


def line(
    seq: int,
    kind: str = kinds.TASK,
    *,
    run: int = 1,
    name: str = "fetch",
    span: int | None = None,
    parent: int = ROOT,
    attempt: int = 1,
    started: int = START + 2 * SECOND,
    took: int = SECOND,
    outcome: str = kinds.OK,
    value: bytes = b"null",
    args: str = "",
) -> Entry:
    own = 1000 + seq if span is None else span
    key = f"{name}@{seq}"
    ended = started + took
    return Entry(run, seq, seq, kind, key, name, args, attempt, started, ended, own, parent, outcome, value, None, 1)


def failure(
    kind: str = "builtins:ValueError", message: str = "no", traceback: str = "Traceback: no", **more: object
) -> bytes:
    told = {"type": kind, "message": message, "args": None, "notes": None, "traceback": traceback, "errors": None}
    return json.dumps({**told, **more}).encode()
