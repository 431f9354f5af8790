"""Runs are created once, found again, and know their children."""

from __future__ import annotations

from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import TRACE, claimed, new_run


async def test_a_created_run_is_queued_and_found_by_id_and_number(store: Store) -> None:
    run, new = await store.create(new_run("a", params=b'{"x":1}'))
    assert new
    assert run.state is RunState.QUEUED
    assert (run.epoch, run.owner, run.started, run.ended, run.crashes, run.exported) == (0, None, None, None, 0, -1)
    assert await store.find("a") == run
    assert await store.find_num(run.num) == run


async def test_every_field_comes_back(store: Store) -> None:
    run, _ = await store.create(
        new_run(
            "a",
            flow="g",
            params=b'{"x":1}',
            version="3",
            fingerprint="abc",
            python="3.11",
            due=500,
            timeout=60,
            sampled=False,
            parent=1,
            parent_key="child#0",
            rerun_of="b",
            origin="webhook",
            tags=("nightly", "eu"),
            scheduled_for=400,
        )
    )
    assert (run.id, run.flow, run.params, run.version, run.fingerprint) == ("a", "g", b'{"x":1}', "3", "abc")
    assert (run.python, run.timeout, run.created, run.wake_at, run.scheduled_for) == ("3.11", 60, 100, 500, 400)
    assert (run.trace, run.span, run.sampled, run.parent, run.parent_key) == (TRACE, 7, False, 1, "child#0")
    assert (run.rerun_of, run.origin, run.tags) == ("b", "webhook", ("nightly", "eu"))


async def test_span_ids_may_use_all_64_bits(store: Store) -> None:
    run, _ = await store.create(new_run("a", span=(1 << 64) - 1, parent_span=1 << 63))
    assert (run.span, run.parent_span) == ((1 << 64) - 1, 1 << 63)
    assert await store.find("a") == run


async def test_an_id_in_use_answers_the_run_that_has_it(store: Store) -> None:
    first, _ = await store.create(new_run("a", params=b'{"x":1}'))
    second, new = await store.create(new_run("a", flow="g", params=b'{"x":2}'))
    assert not new
    assert second == first


async def test_an_unknown_run_is_none(store: Store) -> None:
    assert await store.find("nobody") is None
    assert await store.find_num(1) is None


async def test_children_are_those_started_by_a_run(store: Store) -> None:
    parent = await claimed(store, "parent")
    one, _ = await store.create(new_run("one", parent=parent.num, parent_key="child#0"))
    two, _ = await store.create(new_run("two", parent=parent.num, parent_key="child#1"))
    await store.create(new_run("other"))
    assert await store.children(parent.num) == [one, two]
    assert await store.children(one.num) == []


async def test_runs_are_there_for_other_programs(store: Store, other: Store) -> None:
    run, _ = await store.create(new_run("a"))
    assert await other.find("a") == run
    assert await other.create(new_run("a")) == (run, False)


async def test_runs_are_there_after_closing_and_opening_again(store: Store) -> None:
    run, _ = await store.create(new_run("a"))
    await store.close()
    await store.open()
    assert await store.find("a") == run


async def test_the_description_is_for_people(store: Store) -> None:
    assert store.description.split()[0].strip(",") in {"memory", "SQLite", "PostgreSQL"}
