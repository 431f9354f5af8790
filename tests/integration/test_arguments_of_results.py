"""A large result that becomes an argument is recognised by its record, on replay as live."""

from __future__ import annotations

from engine import flow, task
from tests.integration.process import Processes, die_once, note


@task
async def rows(seed: int) -> list[int]:
    note("rows", seed)
    return [seed] * 10_000


@task
async def busy() -> int:
    """Many large results of its own, which no replay of the flow ever sees again."""
    note("busy")
    return sum([len(await rows(seed)) for seed in range(100, 170)])


@task
async def total(numbers: list[int]) -> int:
    note("total", len(numbers))
    return sum(numbers)


@task
async def dies() -> None:
    die_once()


@flow
async def inner_results_between() -> int:
    numbers = await rows(1)
    await busy()
    found = await total(numbers)
    await dies()
    return found


@flow
async def changed_in_between() -> list[int]:
    numbers = await rows(1)
    first = await total(numbers)
    numbers.append(5)
    second = await total(numbers)
    await dies()
    return [first, second]


FLOWS = (inner_results_between, changed_in_between)


def test_results_inside_tasks_do_not_count(processes: Processes) -> None:
    lines = resumed(processes, "inner_results_between")
    assert lines.count("total 10000") == 1
    assert processes.ledger[-1] == "result 10000"


def test_a_result_that_was_changed_is_still_found(processes: Processes) -> None:
    lines = resumed(processes, "changed_in_between")
    assert lines.count("total 10000") == 1
    assert lines.count("total 10001") == 1
    assert processes.ledger[-1] == "result [10000, 10005]"


def resumed(processes: Processes, name: str) -> list[str]:
    """The ledger of a run that was killed once and resumed."""
    assert processes.start("one_run", __name__, name).wait(60) == -9, processes.output
    processes.finish(processes.start("one_run", __name__, name))
    return processes.ledger
