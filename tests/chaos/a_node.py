"""A node of the harness: the real engine, with its clock in the hands of the fault driver and a witness beside it."""

from __future__ import annotations

import asyncio
import logging
import mmap
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvloop

from engine import Engine
from engine.model.run import ENDED, RunRecord
from engine.ports.telemetry import RunIdentity, Telemetry
from engine.runtime.clock import SystemClock
from engine.settings import NodeSettings
from observability.relay import Relay
from tests.chaos import flows
from tests.chaos.ledger import Ledger

SETTINGS: Final = NodeSettings(
    rescue_every=timedelta(milliseconds=200),
    linger=timedelta(milliseconds=200),
    crash_limit=200,  # here runs lose their nodes by the dozen, and none is to be given up
    concurrency=200,
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What the driver wants of a node. `clock` is a file with nanoseconds that its machine's clock is ahead."""

    url: str
    ledger: str
    clock: str
    slot: int
    errors: str


class JumpingClock(SystemClock):
    """A machine's clock that somebody sets while it is used."""

    def __init__(self, file: Path) -> None:
        with file.open("rb") as opened:
            self._ahead = mmap.mmap(opened.fileno(), 8, prot=mmap.PROT_READ)

    def now(self) -> int:
        return SystemClock.now() + int.from_bytes(self._ahead[:8], "little", signed=True)


class Witness(Relay):
    """A telemetry that also notes which runs this node takes."""

    def __init__(self, inner: Telemetry, ledger: Ledger, node: str) -> None:
        super().__init__(inner)
        self._ledger = ledger
        self._node = node

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        if record.state not in ENDED:  # else its trace is sent once more, and the run is nobody's
            self._ledger.note("took", run=record.id, num=record.num, epoch=record.epoch, node=self._node)
        super().started(run, record)


def main(orders: Orders) -> int:
    """Be a node until SIGTERM, or until the engine gives up; answers the exit code."""
    with Path(orders.errors).open("ab", buffering=0) as errors:
        sys.stderr = sys.stdout = open(errors.fileno(), "w", buffering=1, closefd=False)  # noqa: SIM115
        form = f"%(asctime)s {orders.slot} %(process)d %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=form, force=True)
        loop = uvloop.new_event_loop if orders.slot % 2 else asyncio.new_event_loop
        try:
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(_serve(orders))
        except Exception:
            logging.getLogger("chaos").exception("the node ends")
            return 1
    return 0


def _say_what_waits() -> None:
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


async def _serve(orders: Orders) -> None:
    ledger = flows.keep_in(Path(orders.ledger))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _say_what_waits)
    engine = Engine(orders.url, flows=flows.FLOWS, settings=SETTINGS, clock=JumpingClock(Path(orders.clock)))
    engine.node.telemetry = Witness(engine.node.telemetry, ledger, engine.node.id)
    async with engine:
        ledger.note("joined", slot=orders.slot, node=engine.node.id)
        serving = asyncio.ensure_future(engine.serve())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        ledger.note("leaving", slot=orders.slot, node=engine.node.id)
        if serving.done():
            serving.result()
        serving.cancel()
    ledger.note("left", slot=orders.slot, node=engine.node.id)
