"""What it costs to be there: `import engine`, `headrace --help`, and the memory of an embedded node that has no work.

Limit   `python -c pass`, in turns with them; for memory, the same interpreter after `import asyncio`.
Target  under 0.3 s each, median; under 80 MB resident.
Read    wall clock in fresh processes with a warm page cache; the ratio is over the bare interpreter. CPU seconds are in
        the results file. The node is opened on a SQLite file, has run one flow, and has then been idle for a second.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.machine import environment, scratch
from bench.pairs import interleaved, progress, spread
from bench.row import Options, Row
from bench.sink import Sink

SOON = 0.3
SMALL = 80.0

IDLE = """
import asyncio, sys
from bench.machine import resident
from engine import Engine, flow, task

@task
async def double(n: int) -> int:
    return 2 * n

@flow
async def little(n: int) -> int:
    return await double(n)

async def main() -> None:
    async with Engine("sqlite:///" + sys.argv[1], flows=[little]) as engine:
        assert await engine.run(little.bind(1)) == 2
        await asyncio.sleep(1)
        print(resident())

asyncio.run(main())
"""

BARE = "import asyncio; from bench.machine import resident; print(resident())"


def measure(options: Options) -> Iterator[Row]:
    """Commands first, then memory."""
    yield _command("import engine", [sys.executable, "-c", "import engine"], options.pairs)
    yield _command("headrace --help", [*_headrace(), "--help"], options.pairs)
    with scratch() as folder:
        yield _memory("idle embedded node", folder, {}, options)
        with Sink() as sink:
            exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.address}
            yield _memory("idle embedded node that exports", folder, exporting, options)


def _headrace() -> list[str]:
    """The command as it is installed, else the module behind it."""
    beside = Path(sys.executable).with_name("headrace")
    found = str(beside) if beside.exists() else shutil.which("headrace")
    return [found] if found else [sys.executable, "-m", "engine.cli"]


def _command(name: str, command: Sequence[str], pairs: int) -> Row:
    taken = interleaved(lambda: _run(command), lambda: _run([sys.executable, "-c", "pass"]), pairs, name)
    ours, bare = ([wall for wall, _ in side] for side in zip(*taken, strict=True))
    median = statistics.median(ours)
    return Row(
        bench="start-up",
        claim=name,
        ours=f"{median:.3f} s",
        beside=f"bare interpreter {statistics.median(bare):.3f} s",
        ratio=statistics.median(own / beside for own, beside in zip(ours, bare, strict=True)),
        target=f"< {SOON} s",
        holds=median < SOON,
        details={"seconds": spread(ours), "cpu_s": spread([cpu for (_, cpu), _ in taken])},
    )


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise AssertionError(f"{command} ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def _memory(name: str, folder: Path, variables: dict[str, str], options: Options) -> Row:
    repeats = options.size(5, 1)

    def held(code: str, number: int) -> float:
        progress(name, number, repeats)
        command = [sys.executable, "-c", code, str(folder / "state.db")]
        done = subprocess.run(
            command, env={**environment(), **variables}, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        )
        return float(done.stdout)

    ours = [held(IDLE, number) for number in range(repeats)]
    bare = held(BARE, repeats)
    return Row(
        bench="start-up",
        claim=name,
        ours=f"{statistics.median(ours):.0f} MB",
        beside=f"bare asyncio {bare:.0f} MB",
        ratio=statistics.median(ours) / bare,
        target=f"< {SMALL:g} MB",
        holds=statistics.median(ours) < SMALL,
        details={"mb": spread(ours)},
    )
