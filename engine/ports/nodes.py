"""The nodes: which processes run flows on this store, and what becomes of a dead one's runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.model.run import NodeRecord, RunRecord


class Nodes(Protocol):
    """Membership. The store decides who is alive: by an operating system lock, or by its own clock."""

    @property
    def doubts(self) -> Callable[[], bool] | None:
        """Whether a node of this process may have been declared dead without knowing it yet: it was frozen, or cut off.

        None where that cannot be. To be called often; looks at a clock only.
        """
        ...

    async def join(self, node: NodeRecord) -> None:
        """Announce a node and take its liveness lock. Raises StoreError."""

    async def leave(self, node: str) -> None:
        """Withdraw a node in good order: what it still owns is queued, its pool slots are free."""

    async def beat(self, node: str) -> None:
        """Say that the node lives. Raises Fenced when it was declared dead meanwhile."""

    async def time(self) -> int | None:
        """The time for all nodes of this store, in nanoseconds since the epoch; None where they share a machine."""
        ...

    async def rescue(self, *, crash_limit: int, now: int) -> Sequence[RunRecord]:
        """Declare dead nodes dead: free their slots and queue their runs with a higher epoch; answer those runs.

        `crashes` counts how often a run lost its node with no journal line gained since; at `crash_limit` it
        becomes FAILED instead of QUEUED.
        """
        ...

    async def nodes(self) -> Sequence[NodeRecord]:
        """All nodes that have joined and not left."""
        ...
