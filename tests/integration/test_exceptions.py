"""Exceptions are values of the journal: the same class, text, notes and stack live and on replay."""

from __future__ import annotations

from typing import Any

import pytest

from engine import RunFailed, TaskFailed, flow, task, testing
from tests.integration.conftest import MakeEngine


class Declined(Exception):
    """Can be made from its arguments."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.reason = reason


class Handle:
    """Nothing that JSON could carry."""


class NeedsMore(Exception):
    """Cannot: its constructor wants something that is not in `args`."""

    def __init__(self, handle: Handle, _how: int) -> None:
        super().__init__("the handle is bad")
        self.handle = handle


@task
async def raises(kind: str) -> None:
    match kind:
        case "declined":
            error: Exception = Declined("no money", 51)
            error.add_note("tried card 7")
            raise error
        case "needs more":
            raise NeedsMore(Handle(), 3)
        case "local":

            class Local(Exception):
                pass

            raise Local("here only")
        case "chained":
            try:
                _ = dict[str, int]()["missing"]
            except KeyError as cause:
                raise ValueError("no such key") from cause
        case "group":
            raise ExceptionGroup("several", [Declined("a", 1), ExceptionGroup("more", [KeyError("k")])])
        case "os":
            raise FileNotFoundError(2, "No such file or directory")
        case _:
            raise UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range")


@flow
async def catches(kind: str) -> list[Any]:
    try:
        await raises(kind)
    except Exception as error:  # noqa: BLE001 - whatever it is, is what is tested
        members = [repr(member) for member in getattr(error, "exceptions", ())]
        stack = getattr(error, "headrace_traceback", "")
        return [type(error).__name__, str(error), getattr(error, "__notes__", []), members, "in raises" in stack]
    return []


CASES: list[tuple[str, list[Any]]] = [
        ("declined", ["Declined", "('no money', 51)", ["tried card 7"], []]),
        ("needs more", ["TaskFailed", f"{__name__}.NeedsMore: the handle is bad", [], []]),
        ("local", ["TaskFailed", f"{__name__}.raises.<locals>.Local: here only", [], []]),
        ("chained", ["ValueError", "no such key", [], []]),
        ("os", ["FileNotFoundError", "[Errno 2] No such file or directory", [], []]),
        (
            "unicode",
            ["UnicodeEncodeError", "'ascii' codec can't encode character '\\xfc' in position 0: ordinal not in range",
             [], []],
        ),
        (
            "group",
            ["ExceptionGroup", "several (2 sub-exceptions)", [],
             ["Declined('a', 1)", "ExceptionGroup('more', [KeyError('k')])"]],
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "expected"), CASES)
async def test_the_flow_gets_the_same_live_and_on_replay(kind: str, expected: list[Any]) -> None:
    assert await testing.assert_replays(catches.bind(kind)) == [*expected, True]


@flow
async def lets_through(kind: str) -> None:
    await raises(kind)


async def test_elsewhere_it_is_run_failed_with_the_same_data(make_engine: MakeEngine) -> None:
    async with make_engine(lets_through) as engine:
        run = await engine.start(lets_through.bind("declined"), id="fails")
        with pytest.raises(RunFailed, match="run fails of lets_through failed: Declined") as here:
            await run.result()
    async with make_engine() as elsewhere:
        with pytest.raises(RunFailed) as there:
            await (await elsewhere.get("fails")).result()
    for failed in (here.value, there.value):
        assert failed.error_type == f"{__name__}.Declined"
        assert failed.error_message == "('no money', 51)"
        assert "in raises" in failed.traceback
        assert (failed.run_id, failed.flow) == ("fails", "lets_through")


async def test_a_group_in_a_task_group_is_caught_by_type() -> None:
    import asyncio

    @flow
    async def together() -> list[str]:
        found: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(raises("declined"))
                group.create_task(raises("os"))
        except* Declined as errors:
            found = [repr(error) for error in errors.exceptions]
        except* FileNotFoundError:
            pass
        return found

    assert await testing.assert_replays(together.bind()) == ["Declined('no money', 51)"]


def test_task_failed_has_what_the_exception_had() -> None:
    error = TaskFailed("shop.Declined", "no money", "stack")
    assert (str(error), error.traceback) == ("shop.Declined: no money", "stack")
