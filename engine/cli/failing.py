"""Why a run did not end well, told to the person whose code it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine import tracebacks
from engine.cli import console
from engine.cli.digest import Wait
from engine.cli.views import kind_of
from engine.client import Client, failure_of
from engine.core.failure import Failure, decode
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.run import RunRecord, RunState

_LINKED: Final = ("The above exception was the direct cause", "During handling of the above exception", " | ")
"""Signs of a traceback with several parts, which cannot be continued by another one."""

TOLD: Final = 3
"""Members of a group whose stacks are shown."""


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
    """The user's frames, from the flow down into the tasks that raised; empty when none is theirs."""
    failure = failure_of(record)
    flow = tracebacks.trimmed(failure["traceback"])
    raised = [
        (line, tracebacks.trimmed(decode(await _value(client, line))["traceback"]))
        for line in _raised_in(await client.store.read(record.num), failure)
    ]
    if len(raised) == 1 and not any(sign in text for sign in _LINKED for text in (flow, raised[0][1])):
        frames = [text for text in flow.split("\n") if text.startswith((" ", "Traceback"))]
        below = [text for text in raised[0][1].split("\n") if not text.startswith("Traceback")]
        return "\n".join([*frames, *below])
    sections = [
        f"\nIn the task {line.name}({line.args}):\n{text}" for line, text in raised if tracebacks.has_frames(text)
    ]
    return "\n".join([*([flow] if tracebacks.has_frames(flow) else []), *sections])


async def _value(client: Client, line: Entry) -> bytes:
    return line.value if line.blob is None else await client.blobs.get(line.blob)


def _raised_in(entries: Sequence[Entry], failure: Failure) -> list[Entry]:
    """The steps whose exceptions ended the run: the last one of each, and not many."""
    wanted = dict.fromkeys(_leaves(failure))
    found: dict[tuple[str, str], Entry] = {}
    for entry in reversed(entries):
        if entry.kind in (kinds.TASK, kinds.CHILD) and entry.outcome == kinds.ERROR and entry.blob is None:
            raised = decode(entry.value)
            what = (raised["type"], raised["message"])
            if what in wanted and what not in found:
                found[what] = entry
    return [found[what] for what in wanted if what in found][:TOLD]


def _leaves(failure: Failure) -> list[tuple[str, str]]:
    """Type and text of an exception, of a group those of its members."""
    members = failure["errors"]
    if not members:
        return [(failure["type"], failure["message"])]
    return [leaf for member in members for leaf in _leaves(member)]


def tell_waiting(
    record: RunRecord, waits: Sequence[Wait], resume: Sequence[str], fits: Callable[[str], str | None]
) -> None:
    """Say on stderr what a run waits for, and how it goes on. `fits`: the type that a signal is declared with."""
    what = " and ".join(str(wait) for wait in waits if wait.kind != "child") or "something outside"
    console.say(f"run {record.id} of {record.flow} waits for {what}. It needs no process meanwhile.")
    for wait in waits:
        if wait.kind == "signal":
            console.advise(
                f"This sends the signal (PAYLOAD is JSON that fits {fits(wait.name) or 'what the flow accepts'}):",
                "signal", wait.run, wait.name, "PAYLOAD",
            )  # fmt: skip
    console.advise("This goes on, as does any node that serves the flow:", *resume)
