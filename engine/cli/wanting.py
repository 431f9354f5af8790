"""What a run that could go is wanting: a node that has its flow, takes its queue, and has the tags it requires."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.run import NodeRecord, RunRecord, RunState


def missing(run: RunRecord, nodes: Sequence[NodeRecord]) -> str | None:
    """What kind of node a run waits for, in words; None when there is one, or it waits for something else."""
    if run.state not in (RunState.QUEUED, RunState.WAITING):
        return None
    having = _having(run, nodes)
    if not having:
        return f"a node that has the flow {run.flow}"
    if not any(_in_queue(run, node) for node in having):
        return f"a node that has {run.flow} and takes the queue {run.queue}"
    if not takers(run, nodes):
        return f"a node that has {run.flow} and the tags {', '.join(run.requires)}"
    return None


def takers(run: RunRecord, nodes: Sequence[NodeRecord]) -> list[NodeRecord]:
    """The live nodes that take runs like this one."""
    return [node for node in _having(run, nodes) if _in_queue(run, node) and {*run.requires} <= {*node.tags}]


def _having(run: RunRecord, nodes: Sequence[NodeRecord]) -> list[NodeRecord]:
    return [node for node in nodes if node.alive and run.flow in node.flows]


def _in_queue(run: RunRecord, node: NodeRecord) -> bool:
    return node.queues is None or run.queue in node.queues
