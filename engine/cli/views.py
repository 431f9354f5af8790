"""A run as JSON for scripts, with keys that stay."""

from __future__ import annotations

import json
from typing import Any

from engine.cli.times import iso
from engine.client import Client, failure_of
from engine.model.run import RunRecord, RunState


def run_json(record: RunRecord) -> dict[str, Any]:
    """What every command prints of a run."""
    return {
        "id": record.id,
        "flow": record.flow,
        "state": record.state.value,
        "params": json.loads(record.params),
        "tags": list(record.tags),
        "version": record.version,
        "priority": record.priority,
        "queue": record.queue,
        "requires": list(record.requires),
        "lane": record.lane,
        "held": record.held,
        "created": iso(record.created),
        "started": iso(record.started),
        "ended": iso(record.ended),
        "due": iso(record.wake_at),
        "owner": record.owner,
        "crashes": record.crashes,
        "cancel": record.cancel,
        "rerun_of": record.rerun_of,
        "trace_id": record.trace,
        "error": error_json(record),
    }


def error_json(record: RunRecord) -> dict[str, Any] | None:
    """Type, text and traceback of what ended a run."""
    if record.error is None:
        return None
    failure = failure_of(record)
    return {"type": kind_of(record), "message": failure["message"], "traceback": failure["traceback"]}


def kind_of(record: RunRecord) -> str:
    """The class of what ended a run; built-in ones and ours without their module."""
    kind = failure_of(record)["type"].replace(":", ".")
    return kind.removeprefix("builtins.").removeprefix("engine.model.errors.")


async def result_of(client: Client, record: RunRecord) -> str | None:
    """The result as JSON text, wherever it is kept; None when there is none."""
    if record.state is not RunState.SUCCEEDED:
        return None
    data = record.result or b"null"
    if record.result_blob is not None:
        data = await client.blobs.get(record.result_blob)
    return data.decode()


async def full_json(client: Client, record: RunRecord) -> dict[str, Any]:
    """`run_json` with the result."""
    text = await result_of(client, record)
    return {**run_json(record), "result": None if text is None else json.loads(text)}
