"""A rerun keeps the results it is told to keep."""

from __future__ import annotations

import pytest

from engine.model.errors import RunConflict, UnknownRun
from engine.ports.store import Store
from tests.contract.harness import claim_again, claimed, entry, new_run, write_as


async def test_the_lines_with_these_keys_are_copied_in_order_and_numbered_anew(store: Store) -> None:
    source = await claimed(store, "source")
    lines = [entry(source, seq, key=f"key-{seq % 4}", blob="b") for seq in range(8)]
    await write_as(store, source, *lines)
    target, _ = await store.create(new_run("target"))
    await store.copy_journal(source.num, target.num, ["key-3", "key-1"], now=400)
    kept = [lines[seq] for seq in (1, 3, 5, 7)]
    expected = [line._replace(run=target.num, seq=seq, epoch=0) for seq, line in enumerate(kept)]
    assert await store.read(target.num) == expected
    assert await store.read(source.num) == lines


async def test_the_owner_of_the_target_writes_on_after_them(store: Store) -> None:
    source = await claimed(store, "source")
    await write_as(store, source, entry(source, 0))
    target, _ = await store.create(new_run("target"))
    await store.copy_journal(source.num, target.num, ["key-0"], now=400)
    owned = await claim_again(store, target)
    await write_as(store, owned, entry(owned, 1))
    assert [line.seq for line in await store.read(target.num)] == [0, 1]


async def test_copying_twice_is_copying_once(store: Store) -> None:
    source = await claimed(store, "source")
    await write_as(store, source, entry(source, 0), entry(source, 1))
    target, _ = await store.create(new_run("target"))
    for keys in (["key-0", "key-1"], ["key-1"]):
        await store.copy_journal(source.num, target.num, keys, now=400)
    assert [line.key for line in await store.read(target.num)] == ["key-1"]


async def test_a_run_that_has_started_takes_no_copies(store: Store) -> None:
    source, target = await claimed(store, "source"), await claimed(store, "target")
    with pytest.raises(RunConflict, match="target"):
        await store.copy_journal(source.num, target.num, [], now=400)
    with pytest.raises(UnknownRun, match="999"):
        await store.copy_journal(source.num, 999, [], now=400)
