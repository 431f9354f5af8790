"""Yesterday's owner cannot write a byte, and costs today's owner nothing."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.change import Adopted, Change, Ended, Exported, Parked, Released
from engine.model.errors import Fenced
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.harness import claim_again, claimed, entry, found, log, new_run, write, write_as


async def _reclaimed(store: Store) -> tuple[RunRecord, RunRecord]:
    stale = await claimed(store)
    await write_as(store, stale, Released(stale.num))
    return stale, await claim_again(store, stale)


async def test_a_single_line_of_a_former_owner_is_left_out(store: Store) -> None:
    stale, fresh = await _reclaimed(store)
    assert await write_as(store, stale, entry(stale, 0)) == {stale.num}
    assert await write_as(store, fresh, entry(fresh, 0)) == frozenset()
    assert await store.read(fresh.num) == [entry(fresh, 0)]


@pytest.mark.parametrize(
    "change",
    [
        Ended(1, RunState.SUCCEEDED, b"1", None, None, 9),
        Parked(1, 9, 0),
        Released(1),
        Exported(1, 9),
        Adopted(1, "9", "9", "9"),
    ],
    ids=lambda change: type(change).__name__,
)
async def test_no_change_of_a_former_owner_is_made(store: Store, change: Change) -> None:
    stale, fresh = await _reclaimed(store)
    assert stale.num == 1
    assert await write_as(store, stale, change) == {1}
    assert await found(store, fresh) == fresh


async def test_only_the_fenced_run_of_a_batch_is_left_out(store: Store) -> None:
    stale, fresh = await _reclaimed(store)
    mine = await claimed(store, "mine")
    lines = (entry(stale, 0), entry(mine, 0), log(stale, "no"), log(mine, "yes"), Exported(stale.num, 9))
    assert await write(store, *lines, epochs={stale.num: stale.epoch, mine.num: mine.epoch}) == {stale.num}
    assert await store.read(stale.num) == []
    assert await store.logs(stale.num) == []
    assert await store.read(mine.num) == [entry(mine, 0)]
    assert [line.message for _, line in await store.logs(mine.num)] == ["yes"]
    assert await found(store, fresh) == fresh


async def test_only_the_fenced_run_of_many_lines_is_left_out(store: Store) -> None:
    stale, fresh = await _reclaimed(store)
    mine = await claimed(store, "mine")
    lines = [entry(mine, n) for n in range(1_100)]
    epochs = {stale.num: stale.epoch, mine.num: mine.epoch}
    assert await write(store, *lines, entry(stale, 0), epochs=epochs) == {stale.num}
    assert await store.read(mine.num) == lines
    assert await store.read(fresh.num) == []


@pytest.mark.parametrize("change", [Parked(1, None, 0), Ended(1, RunState.SUCCEEDED, b"1", None, None, 9)])
async def test_runs_that_park_or_end_beside_a_fenced_one_do(store: Store, change: Change) -> None:
    mine = await claimed(store, "mine")
    assert mine.num == 1
    stale = await claimed(store)
    await write_as(store, stale, Released(stale.num))
    fresh = await claim_again(store, stale)
    lines = (change, entry(mine, 0), Parked(stale.num, None, 0), Exported(stale.num, 9), entry(stale, 0))
    assert await write(store, *lines, epochs={stale.num: stale.epoch, mine.num: mine.epoch}) == {stale.num}
    assert (await found(store, mine)).state in (RunState.WAITING, RunState.SUCCEEDED)
    assert await store.read(mine.num) == [entry(mine, 0)]
    assert await found(store, fresh) == fresh


async def test_an_epoch_from_the_future_is_fenced_too(store: Store) -> None:
    run = await claimed(store)
    assert await write(store, entry(run, 0), epochs={run.num: run.epoch + 1}) == {run.num}


async def test_the_batch_s_epoch_counts_not_the_line_s(store: Store) -> None:
    run = await claimed(store)
    line = entry(run, 0, epoch=run.epoch + 7)
    assert await write_as(store, run, line) == frozenset()
    assert await store.read(run.num) == [line]


async def test_a_run_that_has_been_forgotten_is_fenced(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 10))
    await store.prune(ended_before=11, limit=10)
    assert await write_as(store, run, entry(run, 0)) == {run.num}
    assert await write_as(store, run, Exported(run.num, 0), log(run, "late")) == {run.num}


async def test_a_number_is_never_given_twice(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 10))
    await store.prune(ended_before=11, limit=10)
    assert (await claimed(store, "next")).num > run.num


@pytest.mark.parametrize("first", [Parked(1, None, 0), Released(1), Ended(1, RunState.FAILED, None, None, b"{}", 9)])
async def test_a_run_that_is_not_running_cannot_be_ended_by_its_last_owner(store: Store, first: Change) -> None:
    run = await claimed(store)
    await write_as(store, run, first)
    before = await found(store, run)
    assert await write_as(store, run, Ended(1, RunState.SUCCEEDED, b"1", None, None, 10)) == {1}
    assert await found(store, run) == before


@pytest.mark.parametrize("more", [{}, {"lane": "l"}, {"lane": "l", "occupied": "replace"}], ids=["", "lane", "replace"])
async def test_a_former_owner_makes_no_child(store: Store, more: dict[str, Any]) -> None:
    stale, fresh = await _reclaimed(store)
    before, _ = await store.create(new_run("before", lane="l"))
    late = new_run("late", parent=stale.num, parent_epoch=stale.epoch, **more)
    with pytest.raises(Fenced, match="late"):
        await store.create(late)
    assert await store.find("late") is None
    assert await found(store, before) == before
    child, made = await store.create(late._replace(parent_epoch=fresh.epoch))
    assert made
    assert await store.create(late) == (child, False)  # it asks for what is there: nothing is written


async def test_no_child_is_made_of_a_parent_that_is_gone(store: Store) -> None:
    with pytest.raises(Fenced, match="orphan"):
        await store.create(new_run("orphan", parent=99, parent_epoch=1))
