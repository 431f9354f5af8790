"""A store that breaks its promises, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.model.change import Adopted, Change
from engine.model.run import RunRecord, RunState
from engine.stores.memory import MemoryStore


class Patch(Protocol):
    """What pytest's `monkeypatch` does."""

    def setattr(self, target: Any, name: str, value: Any, raising: bool = True) -> None: ...


def no_epochs(patch: Patch) -> None:
    """The store takes lines from anybody."""

    def holds(*_: object) -> bool:
        return True

    patch.setattr(MemoryStore, "_holds", holds)


def same_epoch(patch: Patch) -> None:
    """A claim does not raise the epoch."""
    claim = MemoryStore._claim

    def claimed(store: MemoryStore, num: int, node: str, now: int) -> RunRecord:
        epoch = store._rows[num].record.epoch
        run = claim(store, num, node, now)
        return store._update(num, epoch=max(1, epoch)) if epoch else run

    patch.setattr(MemoryStore, "_claim", claimed)


def no_rescue(patch: Patch) -> None:
    """Nobody takes over from the dead."""

    async def rescue(*_: object, **__: object) -> Sequence[RunRecord]:
        return ()

    patch.setattr(MemoryStore, "rescue", rescue)


def leaving_kept(patch: Patch) -> None:
    """A node that stops keeps its runs to itself."""
    queue = MemoryStore._queue

    def queued(store: MemoryStore, num: int, **fields: Any) -> RunRecord:
        record = queue(store, num, **fields)
        return record._replace(state=RunState.RUNNING) if not fields else record

    async def leave(store: MemoryStore, node: str) -> None:
        store._forget(node)

    patch.setattr(MemoryStore, "_queue", queued)
    patch.setattr(MemoryStore, "leave", leave)


def no_turns(patch: Patch) -> None:
    """Nobody waits for the one before in a lane."""

    def in_lane(*_: object) -> list[RunRecord]:
        return []

    patch.setattr(MemoryStore, "_in_lane", in_lane)


def first_of_all(patch: Patch) -> None:
    """The next one in a lane is the one that was started last."""
    in_lane = MemoryStore._in_lane

    def turned(store: MemoryStore, lane: str | None) -> list[RunRecord]:
        return in_lane(store, lane)[::-1]

    patch.setattr(MemoryStore, "_in_lane", turned)


def orphans(patch: Patch) -> None:
    """A child is forgotten although its parent goes on."""

    def is_awaited(*_: object) -> bool:
        return False

    patch.setattr(MemoryStore, "_is_awaited", is_awaited)


def hasty_pruning(patch: Patch) -> None:
    """What ended a moment ago is forgotten as well."""
    prune = MemoryStore.prune

    async def pruned(store: MemoryStore, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        return await prune(store, ended_before=ended_before + 10**10, limit=limit)

    patch.setattr(MemoryStore, "prune", pruned)


def named_blobs(patch: Patch) -> None:
    """A large value goes with the first of those that name it."""
    prune = MemoryStore.prune

    async def pruned(store: MemoryStore, **which: Any) -> tuple[int, Sequence[str]]:
        names = {num: store._blobs(num) for num in store._rows}
        count, _ = await prune(store, **which)
        return count, sorted({name for num in names.keys() - store._rows.keys() for name in names[num]})

    patch.setattr(MemoryStore, "prune", pruned)


def crumbs(patch: Patch) -> None:
    """What was said to a run stays when the run is forgotten."""
    prune = MemoryStore.prune

    async def pruned(store: MemoryStore, **which: Any) -> tuple[int, Sequence[str]]:
        signals = store._signals
        forgotten = await prune(store, **which)
        store._signals = signals
        return forgotten

    patch.setattr(MemoryStore, "prune", pruned)


def versions_kept(patch: Patch) -> None:
    """A run that goes on with another version stays one of its own."""
    apply = MemoryStore._apply

    def applied(store: MemoryStore, change: Change) -> None:
        if not isinstance(change, Adopted):
            apply(store, change)

    patch.setattr(MemoryStore, "_apply", applied)
