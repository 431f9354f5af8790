"""What the numbers were measured on, and how to ask a process for its memory."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent


def describe() -> dict[str, Any]:
    """The machine as a results file names it: nothing that tells whose it is."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def resident() -> float:
    """MB that this process holds now; where the system does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def environment() -> dict[str, str]:
    """For child processes: they find this tree, and nothing from outside tells them where to send telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "HEADRACE_"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def tell(module: str, *arguments: object) -> str:
    """What a program of ours prints in a fresh process. Raises CalledProcessError, TimeoutExpired after two minutes."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return done.stdout


@contextmanager
def scratch() -> Generator[Path, None, None]:
    """A folder that is gone afterwards."""
    with TemporaryDirectory(prefix="headrace-bench-") as folder:
        yield Path(folder)
