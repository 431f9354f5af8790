"""Ours on the workloads that other orchestrators are measured by: one line of JSON for each measurement.

    python -m bench.peers [--traced] [--power] [--repeats 3] [W1 W2 ...]

W1 chain of 40 tasks, each fibo(10) · W2 chain of 1,000 that do nothing · W3 fan-out of 1,000 · W4 500 runs of one task
W5 started from another process, until the first line · W6 chain of 10 tasks, each fibo(27), 0.1 s of computing
W7 import, command line and installed size · W8 memory: 5,000 sleepers, and idle

The fields are those of the peers' own programs, so that one summary takes both. Every measurement is in this process,
with SQLite in a file and durability `process`; `--power` syncs each commit, `--traced` exports every task over OTLP.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from bench.machine import ROOT, environment, resident, scratch
from bench.pairs import percentile
from bench.sink import Sink
from engine import Client, Engine, Flow, flow, sleep, task
from engine.cli.tuning import loop_factory, tune
from engine.wiring import Durability, open_blobs, open_store
from observability.telemetry import telemetry_from_environment

COMMANDS = {"W7-import": ["-c", "from engine import flow, task"], "W7-cli": ["-m", "engine.cli", "--version"]}
WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8")


def fibo(n: int) -> int:
    """The naive one, so that it costs something."""
    return n if n < 2 else fibo(n - 1) + fibo(n - 2)


@task
async def fibo_task(n: int) -> int:
    """Some computing."""
    return fibo(n)


@task
async def noop() -> None:
    """Nothing, durably."""


@task
async def sleeper() -> None:
    """A task that waits in memory, as a request that takes long does."""
    await asyncio.sleep(10)


def stamp(stamps: Path, line: str) -> None:
    """Where the process that started the run looks for it."""
    with stamps.open("a", encoding="utf-8") as file:
        file.write(line)


def stamped(stamps: Path) -> list[str]:
    """The last stamp: key and time, when it is there and whole."""
    lines = stamps.read_text(encoding="utf-8").splitlines() if stamps.exists() else []
    return lines[-1].split() if lines else []


@task
async def first_line(stamps: str, key: str) -> None:
    """Say when it was reached."""
    at = time.time()
    stamp(Path(stamps), f"{key} {at}\n")


@flow
async def chain(count: int, n: int) -> None:
    """One after the other."""
    for _ in range(count):
        await (fibo_task(n) if n else noop())


@flow
async def fan(count: int) -> None:
    """All at once."""
    await asyncio.gather(*(noop() for _ in range(count)))


@flow
async def tiny() -> None:
    """One task."""
    await noop()


@flow
async def sleepers(count: int) -> None:
    """Sleeping tasks in one run."""
    await asyncio.gather(*(sleeper() for _ in range(count)))


@flow
async def nap() -> None:
    """A run that sleeps durably."""
    await sleep(timedelta(seconds=10))


@flow
async def latency(stamps: str, key: str) -> None:
    """One task that says when it was reached."""
    await first_line(stamps, key)


FLOWS: list[Flow[..., None]] = [chain, fan, tiny, sleepers, nap, latency]


@dataclass
class Meter:
    """Prints lines in the peers' format, with the CPU that was used between `measuring` and them."""

    peer: str
    began: float = field(default_factory=time.perf_counter)
    cpu: float = 0.0
    busy: float = 0.0

    @contextmanager
    def measuring(self) -> Generator[None, None, None]:
        """What is emitted inside says how much of the machine others took meanwhile."""
        self.began, self.cpu, self.busy = time.perf_counter(), sum(os.times()[:4]), _busy()
        yield

    def emit(self, workload: str, count: int | None = None, seconds: float | None = None, **more: Any) -> None:
        """One line."""
        own = sum(os.times()[:4]) - self.cpu
        capacity = max(1e-9, time.perf_counter() - self.began) * (os.cpu_count() or 1)
        row = {
            "peer": self.peer,
            "workload": workload,
            "n": count,
            "seconds": None if seconds is None else round(seconds, 5),
            "per_s": round(count / seconds, 2) if count and seconds else None,
            "rss_mb": None,
            "notes": "",
            "own_cpu_s": round(own, 2),
            "other_cpu": round(max(0.0, _busy() - self.busy - own) / capacity, 2),
            **more,
        }
        print(json.dumps(row), flush=True)

    def emit_latency(self, workload: str, seconds: Sequence[float], notes: str) -> None:
        """One line for many latencies."""
        known = {"p50_ms": percentile(seconds, 50), "p99_ms": percentile(seconds, 99), "max_ms": max(seconds)}
        self.emit(workload, len(seconds), notes=notes, **{name: round(each * 1e3, 2) for name, each in known.items()})


def _busy() -> float:
    """CPU seconds of the whole machine; 0 where the system does not tell."""
    try:
        ticks = [int(each) for each in Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


async def in_process(arguments: argparse.Namespace, meter: Meter, folder: Path, sink: Sink | None) -> None:
    """The workloads that need one process."""
    durability: Durability = "power" if arguments.power else "process"
    target = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.address}/v1/traces"} if sink else {}
    notes = f"SQLite, durability {durability}" + ("; every task exported over OTLP" if sink else "")
    telemetry = telemetry_from_environment(target)
    wanted = set(arguments.workloads)
    url = f"sqlite:///{folder / 'state.db'}"
    async with Engine(url, flows=FLOWS, durability=durability, telemetry=telemetry) as engine:
        tune()
        await engine.run(tiny.bind())

        async def measure(workload: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
            for _ in range(arguments.repeats if workload in wanted else 0):
                with meter.measuring():
                    began = time.perf_counter()
                    await work()
                    meter.emit(workload, count, time.perf_counter() - began, notes=notes)

        async def runs(count: int) -> None:
            handles = [await engine.start(tiny.bind()) for _ in range(count)]
            for handle in handles:
                await handle.result()

        await measure("W1", 40, lambda: engine.run(chain.bind(40, 10)))
        await measure("W2", 1000, lambda: engine.run(chain.bind(1000, 0)))
        await measure("W3", 1000, lambda: engine.run(fan.bind(1000)))
        await measure("W4", 500, lambda: runs(500))
        await measure("W6", 10, lambda: engine.run(chain.bind(10, 27)))
        if "W8" in wanted:
            await _sleeping(engine, meter, arguments.repeats, notes)


async def _sleeping(engine: Engine, meter: Meter, repeats: int, notes: str) -> None:
    async def naps() -> None:
        handles = [await engine.start(nap.bind()) for _ in range(5000)]
        for handle in handles:
            await handle.result()

    kinds: list[tuple[str, str, Callable[[], Awaitable[object]]]] = [
        ("W8-sleep", "5,000 tasks of one run sleep 10 s", lambda: engine.run(sleepers.bind(5000))),
        ("W8-runs", "5,000 runs sleep 10 s durably", naps),
    ]
    for workload, what, work in kinds:
        for _ in range(repeats):
            with meter.measuring():
                began, peak = time.perf_counter(), 0.0
                under_way = asyncio.ensure_future(work())
                while not under_way.done():
                    await asyncio.sleep(0.5)
                    peak = max(peak, resident())
                await under_way
                took = time.perf_counter() - began
                meter.emit(workload, 5000, took, rss_mb=round(peak, 1), notes=f"{what}, peak; {notes}")


async def serve(url: str) -> None:
    """The node that W5 starts runs on, and whose idle memory W8 reads from its first line."""
    async with Engine(url, flows=FLOWS) as engine:
        tune()
        await asyncio.sleep(1)
        print(f"{resident():.1f}", flush=True)
        await engine.serve()


@contextmanager
def node(url: str) -> Generator[float, None, None]:
    """A node in another process; answers the MB it holds while it is idle."""
    command = [sys.executable, "-m", "bench.peers", "--serve", url]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield float(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)


async def outside(arguments: argparse.Namespace, meter: Meter, url: str, stamps: Path) -> None:
    """W5: start runs on a node of another process."""
    client = Client(open_store(url), open_blobs(url))
    await client.store.open()
    try:
        for repeat in range(arguments.repeats):
            with meter.measuring():
                taken = [await _latency(client, stamps, f"{repeat}-{number}") for number in range(50)]
                meter.emit_latency("W5", taken, "Client.start in another process, node looks every 20 ms (default)")
    finally:
        await client.store.close()


async def _latency(client: Client, stamps: Path, key: str) -> float:
    """Seconds from before the start to the first line, by the wall clock that both processes share."""
    await asyncio.sleep(int(key.rpartition("-")[2]) % 7 / 100)  # at another moment of the node's 20 ms each time
    at = time.time()
    await client.start(latency.bind(str(stamps), key))
    while True:
        found = stamped(stamps)
        if len(found) == 2 and found[0] == key:
            return float(found[1]) - at
        await asyncio.sleep(0.005)


def cold(meter: Meter, repeats: int) -> None:
    """W7: import, command line, installed size."""
    for workload, command in COMMANDS.items():
        run = partial(subprocess.run, [sys.executable, *command], env=environment(), check=True)
        run(stdout=subprocess.DEVNULL)
        for _ in range(max(repeats, 5)):
            with meter.measuring():
                began, before = time.perf_counter(), os.times()
                run(stdout=subprocess.DEVNULL)
                took, after = time.perf_counter() - began, os.times()
                used = after.children_user + after.children_system - before.children_user - before.children_system
                meter.emit(workload, 1, took, notes=" ".join(["python", *command]), cpu_s=round(used, 3))
    names = requirements()
    files = [Path(str(file.locate())) for name in names for file in distribution(name).files or ()]
    ours = [file for room in ("engine", "connectors", "observability") for file in (ROOT / room).rglob("*")]
    sizes = [(file.suffix, file.stat().st_size) for file in [*files, *ours] if file.is_file()]
    whole = sum(size for _, size in sizes) / 1e6
    sources = sum(size for suffix, size in sizes if suffix != ".pyc") / 1e6
    meter.emit(
        "W7-size",
        notes=f"{whole:.1f} MB installed ({sources:.1f} MB without .pyc), {len(names) + 1} distributions",
        mb=round(whole, 1),
        mb_without_pyc=round(sources, 1),
        dists=len(names) + 1,
    )


def requirements() -> set[str]:
    """Everything a plain installation brings along, by the metadata of what is installed here."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found: set[str] = set()
    left: list[str] = list(declared)
    while left:
        requirement = left.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        if name in found or "extra ==" in requirement:
            continue
        try:
            left += distribution(name).requires or []
        except PackageNotFoundError:  # for another system or another Python
            continue
        found.add(name)
    return found


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), metavar="W1")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--traced", action="store_true", help="export every task over OTLP")
    parser.add_argument("--power", action="store_true", help="durability power: one fsync per group of results")
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner, ExitStack() as stack:
        if arguments.serve:
            runner.run(serve(arguments.serve))
            return
        wanted = set(arguments.workloads)
        meter = Meter("headrace" + ("-power" if arguments.power else "") + ("-traced" if arguments.traced else ""))
        folder = stack.enter_context(scratch())
        sink = stack.enter_context(Sink()) if arguments.traced else None
        runner.run(in_process(arguments, meter, folder, sink))
        if wanted & {"W5", "W8"}:
            url = f"sqlite:///{folder / 'served.db'}"
            with node(url) as idle:
                if "W8" in wanted:
                    meter.emit("W8-idle", rss_mb=idle, notes="node process; there is no server")
                if "W5" in wanted:
                    runner.run(outside(arguments, meter, url, folder / "stamps"))
        if "W7" in wanted:
            cold(meter, arguments.repeats)


if __name__ == "__main__":
    main()
