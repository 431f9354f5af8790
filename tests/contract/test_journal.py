"""The journal keeps what it was given, in order, all of a batch or nothing."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from engine.model.change import Adopted, Ended, Exported
from engine.model.entry import Entry
from engine.model.errors import StoreError
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import batch_of, claimed, entry, found, handed_over, log, new_run, write, write_as


async def test_a_line_comes_back_as_it_was(store: Store) -> None:
    run = await claimed(store)
    line = Entry(
        run.num, 0, 3, "task", "k/é#0", "n", "{}", 2, 1 << 60, 1 << 61, (1 << 63) - 1, 5, "error", b"\x00\xff", "b/1", 1
    )
    assert await write_as(store, run, line) == frozenset()
    assert await store.read(run.num) == [line]


async def test_lines_come_back_in_order_of_seq(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, entry(run, 1), entry(run, 2))
    await write_as(store, run, entry(run, 0))
    assert [line.seq for line in await store.read(run.num)] == [0, 1, 2]


async def test_a_long_journal_comes_back_whole(store: Store) -> None:
    run = await claimed(store)
    lines = [entry(run, seq) for seq in range(12_001)]
    await write_as(store, run, *lines)
    assert await store.read(run.num) == lines


async def test_a_batch_may_hold_many_runs(store: Store) -> None:
    one, two = await claimed(store, "one"), await claimed(store, "two")
    epochs = {one.num: one.epoch, two.num: two.epoch}
    lines = [entry(one, 0), entry(two, 0), entry(one, 1)]
    assert await write(store, *lines, epochs=epochs) == frozenset()
    assert [len(await store.read(run.num)) for run in (one, two)] == [2, 1]


async def test_batches_are_told_in_the_order_they_were_given(store: Store) -> None:
    run = await claimed(store)
    order: list[int] = []
    told = [handed_over(store, batch_of(entry(run, seq), epochs={run.num: run.epoch})) for seq in range(200)]
    for seq, future in enumerate(told):
        future.add_done_callback(partial(_note, order, seq))
    assert set(await asyncio.gather(*told)) == {frozenset()}
    await asyncio.sleep(0)  # a pass for the callbacks: from 3.12 on, gathering what is done takes none
    assert order == [*range(200)]
    assert [line.seq for line in await store.read(run.num)] == [*range(200)]


def _note(order: list[int], seq: int, _: object) -> None:
    order.append(seq)


async def test_immediate_means_told_before_write_returns(store: Store) -> None:
    run = await claimed(store)
    immediate = store.immediate
    told = handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch}))
    assert told.done() == immediate
    assert await told == frozenset()


async def test_what_was_told_is_there_for_other_programs(store: Store, other: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, entry(run, 0))
    assert len(await other.read(run.num)) == 1


async def test_closing_finishes_what_was_given(store: Store) -> None:
    run = await claimed(store)
    told = handed_over(store, batch_of(entry(run, 0), entry(run, 1), epochs={run.num: run.epoch}))
    await store.close()
    assert await told == frozenset()
    await store.open()
    assert len(await store.read(run.num)) == 2


async def test_a_seq_is_written_once_and_a_refused_batch_leaves_nothing(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, entry(run, 0))
    with pytest.raises(StoreError):
        await write_as(store, run, entry(run, 1), entry(run, 0), log(run, "no"), Exported(run.num, 0))
    with pytest.raises(StoreError):
        await write_as(store, run, entry(run, 0))
    assert await store.read(run.num) == [entry(run, 0)]
    assert await store.logs(run.num) == []
    assert (await found(store, run)).exported == -1


async def test_the_store_works_on_after_a_refused_batch(store: Store) -> None:
    run = await claimed(store)
    with pytest.raises(StoreError):
        await write_as(store, run, entry(run, 0), entry(run, 0))
    await write_as(store, run, entry(run, 0))
    assert await store.read(run.num) == [entry(run, 0)]


async def test_a_result_is_kept_with_the_last_line(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, entry(run, 0), Ended(run.num, RunState.SUCCEEDED, b"42", "blob", None, 900))
    ended = await found(store, run)
    assert (ended.state, ended.result, ended.result_blob, ended.error) == (RunState.SUCCEEDED, b"42", "blob", None)
    assert (ended.ended, ended.owner, ended.wake_at) == (900, None, None)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.DIVERGED])
async def test_an_error_is_kept(store: Store, state: RunState) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, state, None, None, b'{"type":"x"}', 900))
    ended = await found(store, run)
    assert (ended.state, ended.error, ended.ended, ended.owner) == (state, b'{"type":"x"}', 900, None)


async def test_the_export_mark_only_grows_also_after_the_end(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, entry(run, 0), Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 900))
    await write_as(store, run, Exported(run.num, 5))
    await write_as(store, run, Exported(run.num, 3))
    assert (await found(store, run)).exported == 5


async def test_a_run_goes_on_under_another_version(store: Store) -> None:
    run = await claimed(store, version="1", fingerprint="a", python="3.11")
    await write_as(store, run, Adopted(run.num, "2", "b", "3.13"))
    adopted = await found(store, run)
    assert (adopted.version, adopted.fingerprint, adopted.python) == ("2", "b", "3.13")


async def test_an_unknown_run_has_an_empty_journal(store: Store) -> None:
    run, _ = await store.create(new_run())
    assert await store.read(run.num) == []
    assert await store.read(999) == []
