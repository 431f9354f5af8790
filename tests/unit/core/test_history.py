"""Whether an attempt may have begun before its process ended, as its journal lines tell."""

from __future__ import annotations

import pytest

from engine.core.replay import History
from engine.model import entry as kinds
from engine.model.entry import Entry


def line(seq: int, kind: str, attempt: int) -> Entry:
    return Entry(1, seq, seq, kind, "t@1#1", "t", "", attempt, 1, 1, 7, 1, kinds.PENDING, b"0", None, 1)


STARTED, WAIT = kinds.STARTED, kinds.WAIT


@pytest.mark.parametrize(
    ("told", "begun"),
    [
        ([], False),
        ([(WAIT, 1)], False),
        ([(STARTED, 1)], True),
        ([(WAIT, 1), (STARTED, 1)], True),
        ([(STARTED, 1), (WAIT, 1)], False),  # its place was over by the time its start was on disk
        ([(STARTED, 1), (WAIT, 2)], True),
        ([(STARTED, 2)], False),
    ],
)
def test_the_first_attempt_may_have_begun(told: list[tuple[str, int]], begun: bool) -> None:
    history = History()
    for seq, (kind, attempt) in enumerate(told):
        if kind == STARTED:
            history.started = line(seq, kind, attempt)
        else:
            history.wait = line(seq, kind, attempt)
    assert history.begun(1) is begun
