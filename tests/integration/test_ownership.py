"""One owner: nodes share the runs of a store, a dead one's runs go on elsewhere, and a fenced one writes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from engine import current, flow, task, wait_for
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.integration.process import Processes
from tests.integration.shared_work import needs_it_too, needs_the_scarce, shared
from tests.support.polling import until, until_state

RUNS = 6


async def start_runs(make_engine: MakeEngine) -> None:
    async with make_engine() as client:
        for number in range(RUNS):
            await client.start(shared.bind(number), id=f"run-{number}")


def pids_holding(processes: Processes) -> set[str]:
    return {line.split()[2] for line in processes.ledger if line.startswith("held")}


def test_a_dead_nodes_runs_go_on_at_once_and_nothing_recorded_runs_twice(
    make_engine: MakeEngine, processes: Processes
) -> None:
    victim = processes.start("a_node", "tests.integration.shared_work", "victim")
    processes.wait_until(lambda: "serving victim" in processes.ledger)
    asyncio.run(start_runs(make_engine))
    processes.wait_until(lambda: len([line for line in processes.ledger if line.startswith("held")]) == RUNS)
    heir = processes.start("a_node", "tests.integration.shared_work", "heir")
    processes.wait_until(lambda: "serving heir" in processes.ledger)
    assert pids_holding(processes) == {str(victim.pid)}, "a node that lives keeps its runs"
    processes.crash(victim)
    processes.wait_until(lambda: len([line for line in processes.ledger if f" {heir.pid}" in line]) == RUNS)
    (processes.folder / "go").touch()
    processes.wait_until(lambda: processes.rows("SELECT count(*) FROM run WHERE state = 'succeeded'") == [(RUNS,)])
    firsts = [line for line in processes.ledger if line.startswith("first")]
    assert sorted(firsts) == [f"first {number}" for number in range(RUNS)]
    results = processes.rows("SELECT result FROM run")
    assert {bytes(result) for (result,) in results} == {f"[{victim.pid},{heir.pid}]".encode()}


def entered(processes: Processes) -> list[list[str]]:
    return [line.split() for line in processes.ledger if line.startswith("enter")]


def most_at_once(processes: Processes, without: str) -> int:
    """How many were inside at the same time, as those said who were not killed."""
    inside = most = 0
    said = [words for words in map(str.split, processes.ledger) if words[0] in ("enter", "leave")]
    for _, move in sorted((int(words[3]), 1 if words[0] == "enter" else -1) for words in said if words[2] != without):
        inside += move
        most = max(most, inside)
    return most


def test_slots_are_counted_over_processes_and_end_with_their_holder(
    make_engine: MakeEngine, processes: Processes
) -> None:
    async def start() -> None:
        async with make_engine() as client:
            for number in range(2):
                await client.start(needs_it_too.bind(number))
            for number in range(6):
                await client.start(needs_the_scarce.bind(number))

    asyncio.run(start())
    victim = processes.start("a_node", "tests.integration.shared_work", "victim", "needs_it_too")
    processes.wait_until(lambda: len(entered(processes)) == 2)
    nodes = [
        processes.start("a_node", "tests.integration.shared_work", str(number), "needs_the_scarce")
        for number in range(2)
    ]
    processes.wait_until(lambda: {"serving 0", "serving 1"} <= set(processes.ledger))
    assert len(entered(processes)) == 2, "all slots are taken"
    processes.crash(victim)
    processes.wait_until(lambda: len(entered(processes)) == 4)
    (processes.folder / "go").touch()
    processes.wait_until(lambda: processes.rows("SELECT count(*) FROM run WHERE state = 'succeeded'") == [(6,)])
    assert most_at_once(processes, without=str(victim.pid)) == 2
    assert all(node.poll() is None for node in nodes)


executed: list[str] = []


@task
async def work(word: str) -> str:
    executed.append(word)
    return word


@task
async def talks() -> None:
    current().logger.info("a word from yesterday's owner")


@flow
async def interrupted() -> str:
    await work("before")
    await wait_for("go")
    await talks()
    await work("after")
    return await work("at the end")


@flow
async def only_ends() -> str:
    return await wait_for("go", str)


@pytest.mark.parametrize("chosen", [interrupted, only_ends], ids=["at a step", "at its end"])
async def test_a_fenced_session_writes_nothing_and_says_so(
    make_engine: MakeEngine, path: Path, caplog: pytest.LogCaptureFixture, chosen: object
) -> None:
    executed.clear()
    async with make_engine(interrupted, only_ends, rescue_every=timedelta(hours=1)) as engine:
        run = await engine.start(chosen.bind())  # type: ignore[attr-defined]
        await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
        with closing(sqlite3.connect(path, timeout=10)) as db:
            db.execute("UPDATE run SET epoch = epoch + 1")
            db.commit()
            before = list(db.iterdump())
        await run.signal("go", "now")
        await until(lambda: not engine.node.sessions)
        assert "now belongs to another node; stopped here" in caplog.text
        assert engine.node.broken is not None
        assert not engine.node.broken.done(), "a lost run is no failure of the node"
        with closing(sqlite3.connect(path, timeout=10)) as db:
            new = set(db.iterdump()) - set(before)
        assert [line for line in new if not line.startswith(('INSERT INTO "signal"', 'INSERT INTO "sqlite_seq'))] == []
    assert "at the end" not in executed


async def test_a_graceful_stop_hands_runs_on(make_engine: MakeEngine) -> None:
    executed.clear()
    async with make_engine(interrupted) as second:
        async with make_engine(interrupted) as first:
            run = await first.start(interrupted.bind(), id="moves")
            await until(lambda: first.node.sessions or second.node.sessions)
        await until(lambda: second.node.sessions)
        handle = await second.get("moves")
        await handle.signal("go")
        assert await handle.result() == "at the end"
        assert executed.count("before") == 1
        await until_state(handle, RunState.SUCCEEDED)
        assert run.id == "moves"
