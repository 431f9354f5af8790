"""Hooks hear how a task or a run ended, once, and decide nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from engine import HookEvent, RunCancelled, RunFailed, flow, sleep, task, wait_for
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

heard: list[tuple[str, str, str, str]] = []


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    heard.clear()


def hears(what: str) -> Callable[[HookEvent], None]:
    def hook(event: HookEvent) -> None:
        assert threading.current_thread() is not threading.main_thread(), "a plain function runs in a thread"
        heard.append((what, event.run_id, event.task, type(event.error).__name__))

    return hook


async def hears_cancel(event: HookEvent) -> None:
    await asyncio.sleep(0)
    heard.append(("cancel", event.run_id, event.task, type(event.error).__name__))


def breaks(event: HookEvent) -> None:
    raise RuntimeError("a hook of the user's")


@task(on_success=hears("success"), on_failure=hears("failure"), on_cancel=hears_cancel)
async def sleeps(seconds: float) -> None:
    await asyncio.sleep(seconds)


@flow(on_success=hears("success"), on_failure=hears("failure"), on_cancel=hears_cancel)
async def sleeping() -> None:
    await sleeps(60)


@flow(on_success=hears("success"), on_failure=hears("failure"), on_cancel=hears_cancel)
async def calls_off() -> str:
    running = asyncio.create_task(sleeps(60))
    await sleeps(0)
    running.cancel()
    await asyncio.wait([running])
    return "went on"


@flow(on_success=hears("success"), on_failure=hears("failure"), on_cancel=hears_cancel)
async def waiting() -> None:
    await wait_for("go")


@flow(on_cancel=breaks, on_success=breaks, on_failure=breaks)
async def with_broken_hooks(how: str) -> str:
    if how == "fail":
        raise ValueError("no")
    if how == "wait":
        await sleep(timedelta(hours=1))
    return "fine"


async def test_a_cancelled_run_tells_its_task_and_itself(make_engine: MakeEngine) -> None:
    async with make_engine(sleeping) as engine:
        run = await engine.start(sleeping.bind(), id="it")
        await until(lambda: engine.node.sessions and engine.node.sessions[run.num].performing)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
    assert heard == [("cancel", "it", "sleeps", "NoneType"), ("cancel", "it", "", "NoneType")]


async def test_a_task_that_its_flow_cancels_tells_so_and_the_run_succeeds(make_engine: MakeEngine) -> None:
    async with make_engine(calls_off) as engine:
        assert await engine.run(calls_off.bind(), id="it") == "went on"
    told = [(what, name) for what, _, name, _ in heard]
    assert told == [("success", "sleeps"), ("cancel", "sleeps"), ("success", "")]


@pytest.mark.parametrize("linger", [0.0, 60.0], ids=["out of memory", "in memory"])
async def test_a_waiting_run_that_is_cancelled_tells_so_once_over_restarts(
    make_engine: MakeEngine, linger: float
) -> None:
    async with make_engine(waiting, linger=linger) as engine:
        run = await engine.start(waiting.bind(), id="it")
        if linger:
            await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
        else:
            await until_state(run, RunState.WAITING)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
    async with make_engine(waiting) as engine:
        assert await (await engine.get("it")).state() is RunState.CANCELLED
    assert heard == [("cancel", "it", "", "NoneType")]


@pytest.mark.parametrize("how", ["succeed", "fail", "wait"])
async def test_a_hook_that_raises_is_logged_and_changes_nothing(
    make_engine: MakeEngine, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_engine(with_broken_hooks) as engine:
        run = await engine.start(with_broken_hooks.bind(how))
        match how:
            case "succeed":
                assert await run.result() == "fine"
            case "fail":
                with pytest.raises(RunFailed, match="ValueError: no"):
                    await run.result()
            case _:
                await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
                await run.cancel("enough")
                with pytest.raises(RunCancelled, match="enough"):
                    await run.result()
    assert f"of run {run.id} failed" in caplog.text
    assert "a hook of the user's" in caplog.text
