"""What the next owner of a run tells the backend once more."""

from __future__ import annotations

from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.runtime.unsent import unsent


def line(seq: int, kind: str, key: str, epoch: int = 1) -> Entry:
    return Entry(1, seq, 0, kind, key, "task", "", 1, 0, 0, 7, 0, kinds.OK, b"null", None, epoch)


def test_what_was_not_sent_goes_and_what_was_copied_does_not() -> None:
    journal = [line(0, kinds.TASK, "copied", epoch=0), line(1, kinds.TASK, "sent"), line(2, kinds.TASK, "new")]
    assert [one.key for one in unsent(journal, 1)] == ["new"]


def test_failed_attempts_go_along_until_their_task_is_done_with() -> None:
    journal = [
        line(0, kinds.ATTEMPT, "done"),
        line(1, kinds.TASK, "done"),
        line(2, kinds.ATTEMPT, "ends unsent"),
        line(3, kinds.ATTEMPT, "goes on"),
        line(4, kinds.TASK, "ends unsent"),
    ]
    assert [one.seq for one in unsent(journal, 3)] == [2, 3, 4]
