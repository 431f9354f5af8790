"""The lock of a node ends with its process, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.stores.sqlite import SQLiteStore
from engine.stores.sqlite.locks import NodeLocks
from tests.contract.conftest import opened, started
from tests.contract.doomed import FORKED
from tests.contract.harness import node
from tests.support.polling import until


async def test_a_forked_child_does_not_keep_its_parent_s_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORKED, "1")
    async with opened(SQLiteStore(path)) as store:
        parent = await started("tests.contract.doomed", path, "doomed")
        assert parent.stdout is not None
        assert await parent.stdout.readline() == b"alive\n"
        assert [known.alive for known in await store.nodes()] == [True]
        parent.kill()

        async def is_dead() -> bool:
            return [known.alive for known in await store.nodes()] != [True]

        await until(is_dead, every=0.01)
        await parent.communicate(b"")  # closes what the child reads, and so ends it


async def test_a_node_id_may_hold_any_characters(path: Path) -> None:
    async with opened(SQLiteStore(path)) as store, opened(SQLiteStore(path)) as other:
        await store.join(node("host/../1 é:%2f"))
        assert [known.alive for known in await other.nodes()] == [True]
        await store.leave("host/../1 é:%2f")


async def test_a_missing_lock_file_means_dead(path: Path) -> None:
    async with opened(SQLiteStore(path)) as store, opened(SQLiteStore(path)) as other:
        await store.join(node("lost"))
        next(path.with_name("state.db.nodes").iterdir()).unlink()
        assert [known.alive for known in await other.nodes()] == [False]
        await other.rescue(crash_limit=3, now=1)
        assert await other.nodes() == []


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(path: Path) -> None:
    """A rescuer removes the file of a dead node just as a new one of the same name takes it."""
    rescuer, newcomer = NodeLocks(path), NodeLocks(path)
    assert rescuer.take("node")
    assert not newcomer.take("node")
    rescuer.drop("node")
    assert newcomer.take("node")
    assert not rescuer.take("node")
    assert rescuer.alive("node")
    newcomer.close()
    assert not rescuer.alive("node")
