"""Why a run did not end well, told to the person whose code it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine import tracebacks
from engine.cli import console
from engine.cli.digest import Wait
from engine.cli.views import kind_of
from engine.client import Client, failure_of
from engine.core.failure import decode
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.run import RunRecord, RunState

_LINKED: Final = ("The above exception was the direct cause", "During handling of the above exception", " | ")
"""Signs of a traceback with several parts, which cannot be continued by another one."""


async def tell_end(client: Client, record: RunRecord) -> None:
    """Say on stderr why a run did not succeed, and what can be done."""
    message = failure_of(record)["message"]
    match record.state:
        case RunState.FAILED:
            console.complain(f"run {record.id} of {record.flow} failed: {kind_of(record)}: {message}")
            stack = await stack_of(client, record)
            if stack:
                console.say(stack)
            console.advise(
                "Once the cause is mended, this keeps what succeeded and runs the rest again:",
                "rerun",
                record.id,
                "--failed",
            )
            console.advise("What it logged:", "logs", record.id)
        case RunState.CANCELLED:
            console.complain(f"run {record.id} of {record.flow} was cancelled: {message}")
        case RunState.DIVERGED:
            console.complain(message)
        case _:
            pass


async def stack_of(client: Client, record: RunRecord) -> str:
    """The user's frames, from the flow down into the task that raised."""
    flow = tracebacks.trimmed(failure_of(record)["traceback"])
    line = _raised_in(await client.store.read(record.num), record)
    if line is None:
        return flow
    data = line.value if line.blob is None else await client.blobs.get(line.blob)
    task = tracebacks.trimmed(decode(data)["traceback"])
    if any(sign in text for sign in _LINKED for text in (flow, task)):
        return f"{flow}\n\nIn the task {line.name}({line.args}):\n{task}"
    frames = [text for text in flow.split("\n") if text.startswith((" ", "Traceback"))]
    return "\n".join([*frames, *(text for text in task.split("\n") if not text.startswith("Traceback"))])


def _raised_in(entries: Sequence[Entry], record: RunRecord) -> Entry | None:
    """The step whose exception ended the run."""
    failure = failure_of(record)
    for entry in reversed(entries):
        if entry.kind in (kinds.TASK, kinds.CHILD) and entry.outcome == kinds.ERROR:
            raised = decode(entry.value) if entry.blob is None else failure
            if (raised["type"], raised["message"]) == (failure["type"], failure["message"]):
                return entry
    return None


def tell_waiting(record: RunRecord, waits: Sequence[Wait], resume: Sequence[str]) -> None:
    """Say on stderr what a run waits for, and how it goes on."""
    what = " and ".join(str(wait) for wait in waits if wait.kind != "child") or "something outside"
    console.say(f"run {record.id} of {record.flow} waits for {what}. It needs no process meanwhile.")
    for wait in waits:
        if wait.kind == "signal":
            console.advise(
                "This sends the signal (with any JSON as its payload):", "signal", wait.run, wait.name, "null"
            )
    console.advise("This goes on, as does any node that serves the flow:", *resume)
