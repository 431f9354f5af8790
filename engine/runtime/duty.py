"""Duty: which runs a node takes, as the store is told with each claim, and as people read it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from engine.flow import Flow
from engine.model.limits import Pool, Takes
from engine.model.run import NodeRecord
from engine.settings import NodeSettings


class Duty:
    """The duty of one node: `only` these runs, when it is there for some by name; else whatever is for it."""

    def __init__(
        self,
        node: str,
        flows: Mapping[str, Flow[..., Any]],
        settings: NodeSettings,
        only: Iterable[int] | None,
        blobs: str,
    ) -> None:
        """`blobs` is the place of large results."""
        self.only: set[int] | None = None if only is None else set(only)
        self._node = node
        self._flows = flows
        self._settings = settings
        self._versions = tuple(flows), tuple(flow.options.version for flow in flows.values())
        self._blobs = blobs
        self.takes = takes_of(flows, settings, named=self.only is not None)

    def record(self, *, started: int) -> NodeRecord:
        """How the node announces itself."""
        named = self.only is not None
        return record_of(self._node, self._flows, self._settings, started=started, named=named, blobs=self._blobs)

    def take_on(self, num: int) -> None:
        """A run was started here: it is this node's to take."""
        if self.only is not None:
            self.only.add(num)

    def leave_to(self, others: Iterable[NodeRecord]) -> bool:
        """Leave to other nodes the runs of versions that they have; True when that changes what this one takes."""
        before = self.takes
        different = [node for node in others if (node.flows, node.versions) != self._versions]
        if not different and not before.elsewhere:
            return False
        self.takes = takes_of(self._flows, self._settings, named=self.only is not None, others=different)
        return self.takes != before


def record_of(
    node: str,
    flows: Mapping[str, Flow[..., Any]],
    settings: NodeSettings,
    *,
    started: int,
    named: bool,
    blobs: str = "",
) -> NodeRecord:
    """How a node announces itself. One that is there for `named` runs alone takes no queue."""
    return NodeRecord(
        id=node,
        pid=os.getpid(),
        host=socket.gethostname(),
        started=started,
        flows=tuple(flows),
        alive=True,
        versions=tuple(flow.options.version for flow in flows.values()),
        queues=() if named else settings.queues,
        tags=settings.tags,
        concurrency=settings.concurrency,
        blobs=blobs,
        pools=tuple(_pools(flows).items()),
    )


def takes_of(
    flows: Mapping[str, Flow[..., Any]],
    settings: NodeSettings,
    *,
    named: bool,
    others: Iterable[NodeRecord] = (),
) -> Takes:
    """What a node claims. One that is there for `named` runs alone takes those wherever they belong.

    A run goes on where the version is that it was started with, or has last gone on with, as long as one of the
    `others` has that version: only where there is none is it another one's, which then finds out by replay.
    """
    pools = _pools(flows)
    if named:
        return Takes(tags=None, pools=pools)
    elsewhere = {
        (name, version)
        for node in others
        if node.alive and _takes_as_much(node, settings)
        for name, version in zip(node.flows, node.versions, strict=False)
        if name in flows and version != flows[name].options.version
    }
    return Takes(queues=settings.queues, tags=settings.tags, pools=pools, elsewhere=frozenset(elsewhere))


def _pools(flows: Mapping[str, Flow[..., Any]]) -> dict[str, Pool]:
    return {name: flow.options.pool for name, flow in flows.items() if flow.options.pool is not None}


def _takes_as_much(node: NodeRecord, settings: NodeSettings) -> bool:
    """Whether it takes every run that a node of these settings would: else what is left to it might wait for ever."""
    queues = node.queues is None or (settings.queues is not None and {*settings.queues} <= {*node.queues})
    return queues and {*settings.tags} <= {*node.tags}
