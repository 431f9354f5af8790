"""Why a run does not go on, as `runs` and `show` tell it, on each store that processes share."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.conftest import Headrace
from tests.support import postgres
from tests.support.polling import wait_until

FLOWS = """\
import asyncio
from datetime import timedelta

from engine import Pool, Rate, flow, sleep, task, wait_for


@task
async def holds() -> None:
    await asyncio.sleep(3600)


@task(rate=Rate("api", 1, per=timedelta(hours=1)))
async def call(n: int) -> int:
    return n


@flow
async def asks() -> str:
    return await wait_for("answer", str)


@flow
async def asks_twice() -> list[str]:
    return await asyncio.gather(wait_for("yes", str), wait_for("no", str))


@flow
async def naps() -> None:
    await sleep(timedelta(hours=1))


@flow
async def calls() -> int:
    return await call(1) + await call(2)


@flow
async def above() -> str:
    return await asks()


@flow(lane=lambda customer: customer)
async def bill(customer: str) -> str:
    return await wait_for("paid", str)


@flow(pool=Pool("narrow", 1))
async def narrow() -> None:
    await holds()


@flow
async def works() -> None:
    await asyncio.gather(holds(), wait_for("stop", str))
"""


START = """\
import asyncio
import os
from datetime import UTC, datetime, timedelta

import waiting
from engine import Engine


async def main() -> None:
    async with Engine(os.environ["HEADRACE_STORE"]) as engine:
        for name in ("asks", "asks_twice", "naps", "calls", "above", "works"):
            await engine.start(getattr(waiting, name).bind(), id=name)
        for name in ("first", "second"):
            await engine.start(waiting.bill.bind("ann"), id=name)
        await engine.start(waiting.asks.bind(), id="later", due=datetime.now(UTC) + timedelta(hours=1))
        await engine.start(waiting.asks.bind(), id="far", requires=["gpu"])
        await engine.start(waiting.narrow.bind(), id="inside")
        await engine.start(waiting.narrow.bind(), id="outside")


asyncio.run(main())
"""


@dataclass
class Shared:
    """The command on a store. `falls_silent` and `expires` are what becomes of a killed node, by the store."""

    headrace: Headrace
    falls_silent: Callable[[], None] | None
    expires: Callable[[], None]

    def waits(self) -> dict[str, list[tuple[str, str]]]:
        """What each run waits for, but for children, whose ids are long."""
        lines = self.headrace("runs", "--json", "--limit", 50).lines
        return {line["id"]: [(wait["kind"], wait["name"]) for wait in line["waits_for"]] for line in lines}

    def come_to(self, expected: dict[str, list[tuple[str, str]]]) -> None:
        """Return when the store tells of all these."""
        found: list[Any] = []

        def reached() -> bool:
            waits = self.waits()
            found[:] = [{name: waits.get(name) for name in expected if waits.get(name) != expected[name]}]
            return found == [{}]

        wait_until(reached, 40, every=0.1, tell=lambda: str(found))

    def told(self, *words: str) -> dict[str, str]:
        """The lines of `headrace runs`, by the run's id."""
        table = self.headrace("runs", "--limit", 50, *words).out.splitlines()
        return {line.split()[0]: line for line in table[1:]}


@pytest.fixture(params=["sqlite", "postgres"])
def shared(headrace: Headrace, request: pytest.FixtureRequest) -> Iterator[Shared]:
    headrace.write("waiting.py", FLOWS)
    if request.param == "sqlite":
        yield Shared(headrace, None, lambda: None)
        return
    url: str = request.getfixturevalue("url")
    headrace.environment["HEADRACE_STORE"] = url

    def at(renewed: int, expires: int) -> None:
        """Seconds from now, by the server's clock."""
        column = "clock_timestamp() + interval '{} s'"
        change = f"renewed = {column.format(renewed)}, expires = {column.format(expires)}"
        asyncio.run(postgres.execute(url, f"UPDATE headrace.node SET {change}"))

    yield Shared(headrace, lambda: at(-15, 60), lambda: at(-21, -1))


def test_each_run_tells_what_it_waits_for(shared: Shared) -> None:
    headrace = shared.headrace
    headrace.write("start.py", START)
    subprocess.run([sys.executable, "start.py"], cwd=headrace.folder, env=headrace.environment, check=True)
    node = headrace.start("serve", "waiting.py")
    node.until(node.says("ready"))
    shared.come_to(
        {
            "asks": [("signal", "answer")],
            "asks_twice": [("signal", "yes"), ("signal", "no")],
            "naps": [("sleep", "")],
            "calls": [("rate", "call")],
            "first": [("signal", "paid")],
            "second": [("lane", "bill:ann")],
            "outside": [("pool", "narrow")],
            "later": [("start", "")],
            "far": [("node", "a node that has asks and the tags gpu")],
            "works": [("signal", "stop")],
            "inside": [],
        }
    )
    (child,) = (name for name in shared.waits() if name.startswith("above/"))
    shared.come_to({"above": [("child", child)], child: [("signal", "answer")]})
    told = shared.told()
    for name, text in {
        "asks": "for the signal 'answer'",
        "asks_twice": "for the signal 'yes', and 1 more",
        "naps": "for its sleep until ",
        "calls": "for a place in the rate of call until ",
        "above": f"for the child run {child}",
        "second": "for its turn in the lane bill:ann",
        "outside": "for a slot of the pool narrow",
        "later": " until ",
        "far": "for a node that has asks and the tags gpu",
    }.items():
        assert text in told[name]
    assert all(" for " not in told[name] for name in ("inside", "works", "later"))
    assert "waits for   a slot of the pool narrow" in headrace("show", "outside").out
    shown = headrace("show", "above").out
    assert f"the child run {child}" in shown
    assert "the signal 'answer'" in shown
    assert [wait["kind"] for wait in headrace("show", "far", "--json").json["waits_for"]] == ["node"]


def test_a_run_whose_node_was_killed_says_so(shared: Shared) -> None:
    headrace = shared.headrace
    node = headrace.start("serve", "waiting.py")
    node.until(node.says("ready"))
    headrace("start", "waiting.py:narrow", "--id", "n")
    node.until(node.says("is taken up"))
    assert " for " not in shared.told()["n"]
    node.send(signal.SIGKILL)
    node.end()
    if shared.falls_silent is not None:
        shared.falls_silent()
        assert "as nothing is heard of its node" in shared.told()["n"]
        assert shared.waits()["n"][0][0] == "lease"
        assert "whose lease lasts until" in headrace("show", "n").out
        assert "has not been heard of for" in headrace("doctor").out
    shared.expires()
    assert "for a node to go on with it, as" in shared.told()["n"]
    assert "has died" in headrace("show", "n").out
    assert shared.waits()["n"][0][0] == "dead node"
