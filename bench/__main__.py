"""`python -m bench`: measure, print a table, keep the numbers."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench import history, machine, replay, start_up, tasks, waiting
from bench.postgres import all as postgres
from bench.row import Options, Row, cells, table

BENCHES: dict[str, Callable[[Options], Iterator[Row]]] = {
    "chain": tasks.chain,
    "fan-out": tasks.fan_out,
    "replay": replay.measure,
    "waiting": waiting.measure,
    "start-up": start_up.measure,
    "history": history.measure,
    **postgres.BENCHES,
}

GROUPS = {"postgres": list(postgres.BENCHES)}
"""Names for several benchmarks."""

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Exit code 0, unless `--check` was given and a target was missed."""
    arguments = _arguments()
    options = Options(
        pairs=arguments.pairs or (3 if arguments.quick else 20),
        quick=arguments.quick,
        prototype=arguments.prototype,
        history=arguments.history,
    )
    rows: list[Row] = []
    for name in [each for given in arguments.names or BENCHES for each in GROUPS.get(given, [given])]:
        began = time.perf_counter()
        for row in BENCHES[name](options):
            rows.append(row)
            print("  ".join(cell for cell in cells(row) if cell), file=sys.stderr, flush=True)
        print(f"{name} took {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\n{table(rows)}")
    if not arguments.no_save:
        print(f"\nkept in {_keep(rows, options).relative_to(machine.ROOT)}")
    missed = [row.claim for row in rows if row.holds is False]
    return 1 if missed and arguments.check else 0


def _keep(rows: list[Row], options: Options) -> Path:
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d}.jsonl"
    common = {"at": now.isoformat(timespec="seconds"), "quick": options.quick, "machine": machine.describe()}
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            print(json.dumps({**asdict(row), **common}, ensure_ascii=False), file=file)
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join([*BENCHES, *GROUPS])}; all by default")
    parser.add_argument("--pairs", type=int, help="pairs of measurements that a median is taken over (20)")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: to see that everything works")
    parser.add_argument("--history", type=int, metavar="RUNS", help="finished runs in postgres-history (1000000)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--no-save", action="store_true", help="leave bench/results alone")
    parser.add_argument("--prototype", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*BENCHES, *GROUPS}:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
