"""What a run that could go is wanting: a node that has its flow, takes its queue, and has the tags it requires."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.run import NodeRecord, RunRecord, RunState


def missing(run: RunRecord, nodes: Sequence[NodeRecord]) -> str | None:
    """What kind of node a run waits for, in words; None when there is one, or it waits for something else."""
    if run.state not in (RunState.QUEUED, RunState.WAITING):
        return None
    alive = [node for node in nodes if node.alive]
    having = [node for node in alive if run.flow in node.flows]
    if not having:
        return f"a node that has the flow {run.flow}"
    in_queue = [node for node in having if node.queues is None or run.queue in node.queues]
    if not in_queue:
        return f"a node that has {run.flow} and takes the queue {run.queue}"
    if not any({*run.requires} <= {*node.tags} for node in in_queue):
        return f"a node that has {run.flow} and the tags {', '.join(run.requires)}"
    return None
