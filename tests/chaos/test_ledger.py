"""The ledger holds whole notes only, whatever its writers are killed in the middle of."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.ledger import Ledger, Tail


def test_half_a_note_of_a_killed_writer_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    tail, ledger = Tail(file), Ledger(file)
    ledger.note("first", key="a")
    with file.open("ab") as killed:
        killed.write(b'\n{"at": 1, "pid": 2, "wh')
    assert [line.what for line in tail.read()] == ["first"]
    ledger.note("second", key="b")
    assert [line.what for line in tail.read()] == ["second"]
    ledger.close()
    tail.close()
