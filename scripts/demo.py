"""The demo: a flow over real data is killed half way and resumed, and the evidence that no task ran twice is shown.

python scripts/demo.py [FOLDER]      the folder is emptied first; .headrace/demo by default
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
DAYS = 31
HALF = 16
"""The demo waits for this many results, not for a time, so that it is the same on every machine."""


class Demo:
    """One folder with the store, the ledger and the table."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "state.db"
        self.ledger = folder / "ledger"
        self.table = folder / "delays.txt"
        self.parameters = [f"out={near(folder)}", f"ledger={near(self.ledger)}"]
        self.environment = os.environ | {"HEADRACE_STORE": f"sqlite:///{self.store}"}

    def headrace(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the command, after showing it; it prints where we print."""
        print(f"\n$ headrace {' '.join(arguments)}", flush=True)
        return subprocess.Popen([sys.executable, "-m", "engine.cli", *arguments], cwd=ROOT, env=self.environment)

    def run(self) -> subprocess.Popen[bytes]:
        return self.headrace("run", "flows/demo.py", *self.parameters)

    def read(self, query: str) -> list[str]:
        """The first column of a query to the store, which must hold something already."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            return [str(row[0]) for row in db.execute(query)]

    def recorded(self) -> set[str]:
        """Keys of the days whose result is in the journal on disk."""
        if not self.store.exists() or "journal" not in self.read("SELECT name FROM sqlite_master"):
            return set()
        return set(self.read("SELECT key FROM journal WHERE kind = 'task' AND name = 'digest' AND outcome = 'ok'"))

    def performed(self, process: subprocess.Popen[bytes]) -> list[str]:
        """Keys of the days that this process computed, by the lines that the tasks left."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return [key for key, pid in (line.rsplit(" ", 1) for line in lines) if int(pid) == process.pid]


def main(folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    demo = Demo(folder)

    say("A month of flights out of New York, each day a task. Half way through, the process will be killed with -9.")
    first = demo.run()
    if not killed_half_way(first, demo):
        say(f"It ended by itself, with exit code {first.returncode}, so there is nothing to show.")
        return 1
    before = demo.recorded()
    say(f"Killed. {len(before)} results are on disk. The same command again:")

    second = demo.run()
    if second.wait() != 0:
        say(f"It should have gone on, but ended with exit code {second.returncode}.")
        return 1
    return report(demo, before, demo.performed(first), demo.performed(second))


def killed_half_way(child: subprocess.Popen[bytes], demo: Demo) -> bool:
    """Send SIGKILL when enough is recorded. False when the child ended before."""
    while len(demo.recorded()) < HALF:
        try:
            child.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        return False
    child.kill()
    child.wait()
    return True


def report(demo: Demo, before: set[str], first: list[str], second: list[str]) -> int:
    """Compare what the tasks themselves left behind with what was on disk at the kill."""
    again = before.intersection(second)
    lost = set(first).intersection(second)
    say(f"{len(first)} days were computed before the kill, {len(second)} after it, {len(demo.recorded())} in all.")
    if lost:
        print(f"{len(lost)} of them had ended but was not recorded when the process died, so it had to run again.")
    if again or len(second) != len(set(second)) or len(demo.recorded()) != DAYS:
        say(f"THIS IS WRONG: {len(again)} recorded tasks ran a second time: {', '.join(sorted(again))}")
        return 1
    print("So no recorded task ran twice. The result:")
    say(demo.table.read_text().rstrip())

    (run,) = demo.read("SELECT id FROM run")
    demo.headrace("show", run, "--trace").wait()
    say(
        f"""What to try next:
  export HEADRACE_STORE=sqlite:///{near(demo.store)} PATH={near(Path(sys.executable).parent)}:$PATH
  headrace show {run}              what each task returned, and when
  headrace runs                                what else is in this store
  headrace run flows/log_partitions.py         a fan-out with dead letters; more in flows/README.md
  headrace init                                a flow of your own to start from"""
    )
    return 0


def near(path: Path) -> Path:
    """A path as somebody in the project would write it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / ".headrace" / "demo"))
