"""Which node goes on with a run: one that has its flow, and of those one that has its version while there is one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine import Engine, NodeSettings, flow, wait_for
from engine.client import RunHandle
from engine.model.run import NodeRecord, RunState
from engine.runtime.duty import record_of, takes_of
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

TICK = timedelta(milliseconds=20)
went: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    went.clear()


@flow(name="bill")
async def old(n: int) -> str:
    went.append(f"old {n}")
    return "old " + await wait_for("go", str)


@flow(name="bill", version="2")
async def new(n: int) -> str:
    went.append(f"new {n}")
    return "new " + await wait_for("go", str)


@flow
async def other() -> None:
    return


def leaves(engine: Engine, *versions: str) -> bool:
    """Whether a node leaves these versions of the flow to others, and no more."""
    return {version for _, version in engine.node.duty.takes.elsewhere} == {*versions}


async def test_each_version_goes_on_with_its_own_runs(make_engine: MakeEngine) -> None:
    async with (
        make_engine(old, rescue_every=TICK, linger=0.0) as first,
        make_engine(new, rescue_every=TICK, linger=0.0) as second,
    ):
        assert leaves(second, "1")  # known before its first claim
        await until(lambda: leaves(first, "2"))
        flows = [old.bind(0), new.bind(1), old.bind(2), new.bind(3)]
        runs: list[RunHandle[str]] = [await second.start(call) for call in flows]
        for run in runs:
            await until_state(run, RunState.WAITING)
            await run.signal("go", "home")
        assert [await run.result() for run in runs] == ["old home", "new home", "old home", "new home"]
    assert {*went} == {"old 0", "new 1", "old 2", "new 3"}


async def test_when_the_last_of_a_version_leaves_the_others_go_on(make_engine: MakeEngine) -> None:
    async with make_engine(new, rescue_every=TICK) as second:
        async with make_engine(old, rescue_every=TICK) as first:
            await until(lambda: leaves(second, "1"))
            run = await first.start(old.bind(0))
            await until(lambda: went == ["old 0"])
        await until(lambda: leaves(second))
        await run_signal(second, run.id)
        assert await (await second.get(run.id)).result() == "new home"
    assert went == ["old 0", "new 0"]


async def run_signal(engine: Engine, run_id: str) -> None:
    await engine.signal(run_id, "go", "home")


async def test_a_run_whose_flow_nobody_has_waits_until_somebody_has_it(make_engine: MakeEngine) -> None:
    async with make_engine(other) as engine:
        run = await engine.start(old.bind(0))
        await (await engine.start(other.bind())).result()
        assert await run.state() is RunState.QUEUED
        assert await engine.store.next_due(flows=["other"], takes=engine.node.duty.takes) is None
        async with make_engine(old):
            await run.signal("go", "home")
            assert await run.result() == "old home"


def announced(settings: NodeSettings, *, named: bool = False, alive: bool = True) -> NodeRecord:
    """A node with the old version."""
    record = record_of("there", {"bill": old}, settings, started=1, named=named)
    return record if alive else NodeRecord("there", 1, "h", 1, record.flows, alive=False, versions=record.versions)


@pytest.mark.parametrize(
    ("there", "here", "left"),
    [
        (NodeSettings(), NodeSettings(), True),
        (NodeSettings(), NodeSettings(queues=("mail",)), True),
        (NodeSettings(queues=("mail", "more")), NodeSettings(queues=("mail",)), True),
        (NodeSettings(queues=("mail",)), NodeSettings(), False),
        (NodeSettings(queues=("mail",)), NodeSettings(queues=("mail", "more")), False),
        (NodeSettings(tags=("eu", "gpu")), NodeSettings(tags=("gpu",)), True),
        (NodeSettings(), NodeSettings(tags=("gpu",)), False),
    ],
)
def test_nothing_is_left_to_a_node_that_might_not_take_it(there: NodeSettings, here: NodeSettings, left: bool) -> None:
    takes = takes_of({"bill": new}, here, named=False, others=[announced(there)])
    assert [*takes.elsewhere] == ([("bill", "1")] if left else [])


def test_nothing_is_left_to_the_dead_or_to_who_serves_named_runs_only() -> None:
    for other_node in (announced(NodeSettings(), named=True), announced(NodeSettings(), alive=False)):
        assert not takes_of({"bill": new}, NodeSettings(), named=False, others=[other_node]).elsewhere
    assert not takes_of({"bill": new}, NodeSettings(), named=True, others=[announced(NodeSettings())]).elsewhere
