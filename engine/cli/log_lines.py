"""Log lines on stderr, with the ids of the run and the trace they belong to."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, cast

from engine.cli.console import paint
from engine.context import CURRENT
from engine.model.errors import RunDiverged


def log_to_stderr(*, form: str = "short", level: int = logging.WARNING) -> None:
    """Send log lines of this process to stderr. `form`: "short" for a person at `run`, "text" or "json" for a node."""
    handler = _Stderr()
    handler.setFormatter({"short": _Short(), "text": _Text(), "json": _Json()}[form])
    root = logging.getLogger()
    root.addHandler(handler)
    if form == "short":
        handler.addFilter(_for_a_person)
    root.setLevel(min(root.level, level) if root.level else level)
    logging.getLogger("headrace").setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Stderr(logging.StreamHandler[Any]):
    """Writes to whatever stderr is now: progress puts another one in its place."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


_TOLD_BY_THE_COMMAND = (
    "run %s of %s failed",
    "run %s of %s stopped",
    "attempt %d of %s failed",
)


def _for_a_person(record: logging.LogRecord) -> bool:
    """At `run`, the command tells of its end and of what is tried again; flows are heard from INFO on."""
    if str(record.msg).startswith(_TOLD_BY_THE_COMMAND) or _is_divergence(record):
        return False
    return record.levelno >= logging.WARNING or record.name.startswith("headrace.flow")


def _is_divergence(record: logging.LogRecord) -> bool:
    return isinstance(record.args, tuple) and bool(record.args) and isinstance(record.args[0], RunDiverged)


class _Short(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}.get(record.levelno)
        return text if colour is None else f"{paint(record.levelname.lower() + ':', colour, sys.stderr)} {text}"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        ids = " ".join(f"{name}={value}" for name, value in _ids_of(record).items())
        return f"{when} {record.levelname:7} {super().format(record)}{' ' + ids if ids else ''}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_ids_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _ids_of(record: logging.LogRecord) -> dict[str, str]:
    """Those that the line brings along, else those of the code that logs."""
    brought: dict[str, str] | None = getattr(record, "ids", None)
    return ids_here() if brought is None else brought


def ids_here() -> dict[str, str]:
    """The run, trace and task of the code that logs; empty outside runs."""
    scope = CURRENT.get()
    if scope is None:
        return {}
    session = cast("Any", scope.session)
    ids = {"run_id": str(session.run_id), "flow": str(session.flow), "trace_id": str(session.record.trace)}
    task = getattr(scope.body, "name", "")
    return {**ids, "task": task} if task else ids
