"""The laws of replay, as checks on lives.

A *disk* is what one commit left behind; a crash at any instruction leaves one of the disks of a life, so that to begin
a new life from each of them is to kill the process everywhere. Nothing is assumed of the new life's timing: bodies of
tasks take other times in it and end in another order.

L1  What is recorded is not executed: no task whose result, failure or cancellation is on the disk, and no attempt whose
    failure is. (A step inside a task's body that was cancelled has no result, and may be executed with its task.)
L2  What the flow had seen when the disk was written it sees again, first and in the same order: values, exceptions,
    winners of races, the order of completions, items of queues. So whatever it did because of it stands.
L3  A life begun from the last disk of another, on which all is recorded and only the end is missing, ends as that one
    did: the same result or exception, everything seen in the same order.
L4  A program whose result does not depend on who is quicker has the result of the life that nobody killed. (Where races
    were undecided on the disk, the new life may decide them otherwise: that is what undecided means.)
L5  Without a crash nothing is executed twice, and a run that leaves memory and comes back sees again what it saw.
L6  An attempt has the same idempotency key in every life.
L7  A run never diverges from its own journal, and never gets stuck.
L8  A run does not end before the child runs that it started.
L9  What was executing when the process died, in a program that calls nothing off and races nothing, is asked for
    again: no effect is orphaned, since it began only after all that led to it was on the disk.
"""

# Programs are trees of plain lists, so what is taken out of them has no type that a checker could know.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from itertools import pairwise
from typing import Any

from engine.core.scopes import is_inner
from engine.model import entry as kinds
from engine.model.run import ENDED
from engine.testing.disk import Disk
from tests.property.lives import Life
from tests.property.world import Seen, Snapshot


class Broken(AssertionError):
    """A law was broken; the text says which and how."""


def recorded(disk: Disk) -> dict[tuple[str, str], str]:
    """Run and key of each step that must not be executed again, and its outcome."""
    names = {num: row.record.id for num, row in disk.rows.items()}
    return {
        (names[line.run], line.key): line.outcome
        for line in disk.lines()
        if line.kind == kinds.TASK and (line.outcome != kinds.CANCELLED or not is_inner(line.key))
    }


def failed_attempts(disk: Disk) -> set[tuple[str, str, int]]:
    """Run, key and number of each attempt whose failure is recorded."""
    names = {num: row.record.id for num, row in disk.rows.items()}
    return {(names[line.run], line.key, line.attempt) for line in disk.lines() if line.kind == kinds.ATTEMPT}


def check_one_life(life: Life) -> None:
    """L5, L7 and L8."""
    if life.outcome[0] in {"RunDiverged", "stuck"}:
        raise Broken(f"L7: {life.outcome[1]}")
    twice = [one for one in set(life.world.executed) if life.world.executed.count(one) > 1]
    if twice:
        raise Broken(f"L5: executed twice without a crash: {twice}")
    unfinished = [row.record.id for row in life.end.rows.values() if row.record.state not in ENDED]
    if unfinished:
        raise Broken(f"L8: still there when the run had ended: {unfinished}")
    for run, stays in life.world.stays.items():
        for before, after in pairwise(stays):
            check_again(f"L5: run {run}, back from leaving memory", before, after)


def before_of(disk: Disk) -> Snapshot:
    """What its life knew when the disk was written."""
    note: Snapshot = disk.note
    return note


def check_resumed(before: Life, disk: Disk, after: Life) -> None:
    """L1, L2, L6 and what holds for any life."""
    check_one_life(after)
    done, failed = recorded(disk), failed_attempts(disk)
    for run, key, attempt in after.world.executed:
        if (run, key) in done or (run, key, attempt) in failed:
            raise Broken(
                f"L1: recorded ({done.get((run, key), 'failed')}) and executed again: {run} {key} attempt {attempt}"
            )
    for run, seen in before_of(disk).seen.items():
        record = disk.run(run)
        if record is not None and record.state not in ENDED and after.world.stays[run]:
            check_again(f"L2: run {run}", list(seen), after.world.stays[run][0])
    for step, key in before.world.idempotency.items():
        if after.world.idempotency.get(step, key) != key:
            raise Broken(f"L6: {step} had the idempotency key {key}, now {after.world.idempotency[step]}")


def check_again(where: str, before: list[Seen], after: list[Seen]) -> None:
    """The second list begins with the first."""
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new and not (old[0] == new[0] == "now"):
            raise Broken(f"{where} saw as number {number}\n- {old}\n+ {new}\nall:\n- {before}\n+ {after}")
    if len(after) < len(before):
        raise Broken(f"{where} saw no more than\n+ {after}\ninstead of\n- {before}")


def check_complete(before: Life, after: Life) -> None:
    """L3."""
    if before.outcome != after.outcome:
        raise Broken(f"L3: the whole journal gives\n+ {after.outcome}\ninstead of\n- {before.outcome}")
    for run, stays in before.world.stays.items():
        if after.world.stays[run]:
            check_again(f"L3: run {run}", stays[-1], after.world.stays[run][-1])


def check_same(before: Life, after: Life) -> None:
    """L4; the time that a clock showed does not count."""
    if timeless(before.outcome) != timeless(after.outcome):
        raise Broken(f"L4: no race, and yet\n- {before.outcome}\n+ {after.outcome}")


def check_nothing_orphaned(disk: Disk, after: Life) -> None:
    """L9."""
    again = {(run, key) for run, key, _ in after.world.executed}
    ended = {row.record.id for row in disk.rows.values() if row.record.state in ENDED}
    names = {num: row.record.id for num, row in after.end.rows.items()}
    final = {(names[line.run], line.key) for line in after.end.lines() if line.kind == kinds.TASK}
    lost = [step for step in before_of(disk).begun - again - final if step[0] not in ended]
    if lost:
        raise Broken(f"L9: executed before the crash, never asked for after it: {lost}")


def timeless(value: Any) -> Any:
    """The value without the readings of clocks."""
    if isinstance(value, (list, tuple)):
        return ["now"] if value and value[0] == "now" else [timeless(part) for part in value]
    return value
