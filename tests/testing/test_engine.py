"""The engine for tests: time that jumps, signals by script, and no silent hanging."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from engine import Retry, RunFailed, current, flow, now, sleep, sleep_until, task, testing, timeout, wait_for
from engine.model.run import RunState

DAY = timedelta(days=1)


@task
async def slow(seconds: float) -> float:
    await sleep(seconds)
    return seconds


@task
def in_thread(seconds: float) -> str:
    time.sleep(seconds)
    return "real"


@task(retry=Retry(attempts=4, delay=timedelta(hours=1), cap=timedelta(hours=1), jitter=0.0))
async def third_time_lucky() -> int:
    if current().attempt < 3:
        raise RuntimeError("not yet")
    return current().attempt


@task(timeout=timedelta(hours=1))
async def limited(seconds: float) -> float:
    await sleep(seconds)
    return seconds


@flow
async def a_day() -> timedelta:
    before = now()
    await sleep(DAY)
    return now() - before


@flow
async def until_noon() -> datetime:
    await sleep_until(datetime(2026, 1, 1, 12, tzinfo=UTC))
    return now()


@flow
async def retried() -> tuple[int, datetime]:
    return await third_time_lucky(), now()


@flow
async def impatient(seconds: float) -> str:
    try:
        async with timeout(timedelta(minutes=1)):
            await slow(seconds)
    except TimeoutError:
        return "too slow"
    return "in time"


@flow
async def attempt_of_an_hour(seconds: float) -> float:
    return await limited(seconds)


@flow
async def real_work() -> str:
    async with timeout(timedelta(days=1)):
        return await in_thread(0.05)


@flow
async def approved() -> list[str]:
    first = await wait_for("approve", str)
    second = await wait_for("approve", str, timeout=DAY)
    return [first, second]


@flow
async def patient() -> list[str]:
    return [await wait_for("approve", str), await wait_for("approve", str)]


@flow
async def gives_up() -> str:
    try:
        return await wait_for("approve", str, timeout=DAY)
    except TimeoutError:
        return "nobody"


@flow
async def raises() -> None:
    raise LookupError("not here")


async def test_a_day_takes_no_time() -> None:
    async with testing.engine(flows=[a_day]) as engine, asyncio.timeout(60):
        run = await engine.start(a_day.bind())
        assert await run.result() == DAY


async def test_the_clock_starts_where_it_is_told_to() -> None:
    start = datetime(2025, 12, 31, 23, tzinfo=UTC)
    async with testing.engine(flows=[until_noon], start=start) as engine:
        assert engine.time() == start
        run = await engine.start(until_noon.bind())
        assert await run.result() == datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_clock_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        testing.engine(flows=[], start=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


async def test_time_stands_still_until_somebody_waits() -> None:
    async with testing.engine(flows=[a_day]) as engine:
        run = await engine.start(a_day.bind())
        await engine.advance(timedelta(hours=23, minutes=59))
        assert await run.state() is RunState.RUNNING
        await engine.advance(timedelta(minutes=1))
        assert await run.state() is RunState.SUCCEEDED
        with pytest.raises(ValueError, match="does not go back"):
            await engine.advance(-DAY)


async def test_back_off_and_deadlines_are_by_the_clock() -> None:
    async with testing.engine(flows=[retried, impatient]) as engine:
        run = await engine.start(retried.bind())
        attempts, ended = await run.result()
        assert (attempts, ended - testing.START) == (3, timedelta(hours=2))
        assert await engine.run(impatient.bind(59)) == "in time"
        assert await engine.run(impatient.bind(61)) == "too slow"


async def test_what_is_real_is_waited_for() -> None:
    async with testing.engine(flows=[real_work]) as engine:
        assert await engine.run(real_work.bind()) == "real"
        assert engine.time() == testing.START


@task
async def an_hour() -> None:
    await sleep(timedelta(hours=1))


@flow
async def polls() -> str:
    waiting = asyncio.create_task(an_hour())
    while not waiting.done():  # noqa: ASYNC110 - the point: code that polls
        await asyncio.sleep(0)
    return "seen"


async def test_time_goes_on_under_code_that_polls() -> None:
    async with testing.engine(flows=[polls]) as engine:
        assert await asyncio.wait_for(engine.run(polls.bind()), 20) == "seen"


async def test_signals_by_script() -> None:
    async with testing.engine(flows=[approved], signals={"approve": ["ann", "bob"]}) as engine:
        assert await engine.run(approved.bind()) == ["ann", "bob"]
        assert await engine.run(approved.bind()) == ["ann", "bob"]
        assert engine.time() == testing.START


async def test_signals_for_one_run_or_one_flow() -> None:
    async with testing.engine(flows=[approved, gives_up]) as engine:
        engine.signals("mine", [("approve", "ann")])
        engine.signals(approved, {"approve": ["cleo"]})
        mine = await engine.start(approved.bind(), id="mine")
        other = await engine.start(gives_up.bind())
        assert await mine.result() == ["ann", "cleo"]
        assert await other.result() == "nobody"


async def test_what_nobody_can_move_is_said() -> None:
    async with testing.engine(flows=[approved]) as engine:
        run = await engine.start(approved.bind(), id="forgotten")
        with pytest.raises(testing.Stuck, match=r"run forgotten of approved waits for the signal 'approve'"):
            await run.result()


@flow
async def one_more() -> int:
    return 1


async def test_what_is_stuck_is_said_under_a_limit_as_well() -> None:
    async with testing.engine(flows=[approved]) as engine:
        with pytest.raises(testing.Stuck, match=r"nothing will send it; pass signals=\{'approve': \[\.\.\.\]\}"):
            await asyncio.wait_for(engine.run(approved.bind()), 20)


async def test_a_flow_that_the_engine_does_not_have_is_said() -> None:
    async with testing.engine(flows=[approved]) as engine:
        with pytest.raises(testing.Stuck, match=r"of one_more is queued: its flow is not in flows=\[\.\.\.\]"):
            await asyncio.wait_for(engine.run(one_more.bind()), 20)


async def test_somebody_who_may_still_send_is_waited_for() -> None:
    async with testing.engine(flows=[patient]) as engine:
        run = await engine.start(patient.bind())

        async def people() -> None:
            for name in ("ann", "bob"):
                await asyncio.to_thread(time.sleep, 0.01)
                await run.signal("approve", name)

        result, _ = await asyncio.gather(run.result(), people())
        assert result == ["ann", "bob"]


@pytest.mark.parametrize("linger", [None, timedelta(0)])
async def test_runs_that_leave_memory_at_every_wait(linger: timedelta | None) -> None:
    async with testing.engine(flows=[a_day, approved], signals={"approve": ["ann", "bob"]}, linger=linger) as engine:
        day, people = await engine.start(a_day.bind()), await engine.start(approved.bind())
        assert (await day.result(), await people.result()) == (DAY, ["ann", "bob"])


async def test_failures_are_as_with_any_engine() -> None:
    async with testing.engine(flows=[raises]) as engine:
        run = await engine.start(raises.bind())
        with pytest.raises(RunFailed, match="not here"):
            await run.result()
