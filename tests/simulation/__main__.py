"""Plays schedules: `python -m tests.simulation --schedules 100000 --seed 0`."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.playing import play
from tests.simulation.portions import PORTION, Portion, play_all, told


def main() -> int:
    """Play schedules, print what is found; 1 when anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--seed", default="", help="of the first schedule; the next ones count up")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="processes that play at once")
    parser.add_argument("--trace", action="store_true", help="print what happened, on one core")
    wanted = parser.parse_args()
    first = int(wanted.seed) if wanted.seed else secrets.randbelow(10**9)
    seeds = range(first, first + wanted.schedules)
    cores = 1 if wanted.trace else max(1, min(wanted.cores, -(-len(seeds) // PORTION)))
    began, busy, done, failed = time.monotonic(), 0.0, 0, 0
    for portion in _traced(seeds) if wanted.trace else _played(seeds, cores):
        if done // 10_000 < (done + portion.schedules) // 10_000:
            print(f"{done + portion.schedules:,} schedules, {failed + len(portion.findings)} with findings")
        busy, done, failed = busy + portion.busy, done + portion.schedules, failed + len(portion.findings)
        print("".join(f"{finding}\n" for finding in portion.findings), end="", flush=True)
    seconds = time.monotonic() - began
    print(
        f"{done:,} schedules from seed {first} in {seconds:.1f} s, {done / seconds:.0f} a second on {cores} cores; "
        f"{busy:.1f} s of a core, {done / busy:.0f} a second of it; {failed} with findings"
    )
    return failed > 0


def _played(seeds: range, cores: int) -> Iterator[Portion]:
    portions = [seeds[at : at + PORTION] for at in range(0, len(seeds), PORTION)]
    if cores == 1:
        yield from map(play_all, portions)
        return
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play_all, portions)


def _traced(seeds: range) -> Iterator[Portion]:
    for seed in seeds:
        began = time.process_time()
        played = play(seed)
        print(*played.trace, sep="\n")
        yield Portion(1, time.process_time() - began, [told(played)] if played.findings else [])


if __name__ == "__main__":
    sys.exit(main())
