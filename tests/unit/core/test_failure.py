"""Exceptions through the journal: of their own class when it can be made again as it was, TaskFailed when not."""

from __future__ import annotations

import pytest

from engine.core.failure import decode, describe, encode, rebuild
from engine.model.errors import RunFailed, TaskFailed


class Plain(Exception): ...


class SaysItsCode(Exception):
    """Keeps its argument, and tells another text: `args` is what `super().__init__` was given."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TellsOnlyItsText(Exception):
    """Made again from `args`, the text would become the code."""

    def __init__(self, code: object, text: str = "") -> None:
        super().__init__(text or code)
        self.code = code


class TellsASentence(Exception):
    """Made again from `args`, it would say so twice."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


class Moody:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not today")

    __hash__ = None  # type: ignore[assignment]


class ToldLater(Exception):
    """Gets an attribute after it was made, which its arguments know nothing of."""


def told_later(what: object) -> ToldLater:
    error = ToldLater("no")
    error.order = what  # type: ignore[attr-defined]
    return error


class CannotBeCompared(Exception):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.handle = Moody()


def through_the_journal(error: Exception) -> Exception:
    return rebuild(decode(encode(describe(error))))


@pytest.mark.parametrize(
    "error",
    [
        Plain("a", 1), SaysItsCode(404), ValueError("x"), KeyError("k"), OSError(2, "gone"),
        TellsOnlyItsText(404, "gone"), told_later(7), RunFailed("no", run_id="it", error_type="builtins.ValueError"),
    ],
)  # fmt: skip
def test_made_again_as_it_was(error: Exception) -> None:
    again = through_the_journal(error)
    assert (type(again), again.args) == (type(error), error.args)
    assert {**vars(again), "headrace_traceback": ""} == {**vars(error), "headrace_traceback": ""}


@pytest.mark.parametrize(
    "error", [TellsASentence("no money"), told_later(Moody()), told_later((1, 2)), CannotBeCompared("x")]
)
def test_what_cannot_be_made_again_is_task_failed(error: Exception) -> None:
    again = through_the_journal(error)
    assert isinstance(again, TaskFailed)
    assert str(error) in str(again)
    assert type(error).__name__ in again.error_type


def test_notes_and_a_second_journey_change_nothing() -> None:
    error = Plain("a")
    error.add_note("noted")
    twice = through_the_journal(through_the_journal(error))
    assert (type(twice), twice.args, twice.__notes__) == (Plain, ("a",), ["noted"])
