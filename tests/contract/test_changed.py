"""A node is told that others have written, so that it need not look for nothing."""

from __future__ import annotations

import asyncio

from engine.ports.store import Store
from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import claimed, new_run
from tests.support.polling import until


async def test_nothing_has_changed_since_the_last_look(store: Store) -> None:
    await claimed(store)
    store.changed()
    assert not store.changed()


async def test_what_another_program_does_is_noticed_once(store: Store, other: Store) -> None:
    await claimed(store)
    store.changed()
    await other.signal("run", "go", b"1", now=200)
    await until(store.changed, 5)  # over a network news take a moment
    assert not store.changed()


async def test_what_a_client_of_the_same_object_does_is_noticed(store: Store) -> None:
    await claimed(store)
    for act in (
        lambda: store.signal("run", "go", b"1", now=200),
        lambda: store.cancel("run", "stop", now=200),
        lambda: store.create(new_run("new")),
    ):
        store.changed()
        await act()
        assert store.changed()


async def test_a_store_that_can_tell_does_so_until_it_is_asked_not_to(store: Store, other: Store) -> None:
    told = asyncio.Event()
    forget = store.on_change(told.set)
    await claimed(store)
    if isinstance(store, SQLiteStore):
        assert not told.is_set()  # a file tells nobody: `changed` is all there is
        return
    async with asyncio.timeout(5):
        for act in (
            lambda: other.create(new_run("new")),
            lambda: other.signal("run", "go", b"1", now=200),
            lambda: other.cancel("run", "stop", now=200),
        ):
            told.clear()
            await act()
            await told.wait()
            assert store.changed()
    forget()
    told.clear()
    await other.create(new_run("newer"))
    await until(store.changed, 5)
    assert not told.is_set()
