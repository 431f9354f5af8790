"""Duty: which runs a node takes, as the store is told with each claim, and as people read it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from engine.flow import Flow
from engine.model.limits import Takes
from engine.model.run import NodeRecord
from engine.settings import NodeSettings


def record_of(
    node: str, flows: Mapping[str, Flow[..., Any]], settings: NodeSettings, *, started: int, named: bool
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
    )


def takes_of(flows: Mapping[str, Flow[..., Any]], settings: NodeSettings, *, named: bool) -> Takes:
    """What a node claims. One that is there for `named` runs alone takes those wherever they belong."""
    pools = {name: flow.options.pool for name, flow in flows.items() if flow.options.pool is not None}
    if named:
        return Takes(tags=None, pools=pools)
    return Takes(queues=settings.queues, tags=settings.tags, pools=pools)
