"""Plays schedules: `python -m tests.simulation --schedules 100000 --seed 0`."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.simulation.playing import play


def main() -> int:
    """Play schedules, print what is found; 1 when anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--seed", default="", help="of the first schedule; the next ones count up")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    wanted = parser.parse_args()
    first = int(wanted.seed) if wanted.seed else secrets.randbelow(10**9)
    began, worked, failed = time.monotonic(), time.process_time(), 0
    for number in range(wanted.schedules):
        if number and number % 10_000 == 0:
            print(f"{number:,} schedules, {failed} with findings", flush=True)
        played = play(first + number)
        if wanted.trace:
            print(*played.trace, sep="\n")
        if played.findings:
            failed += 1
            print(f"seed {played.seed}, digest {played.digest}:")
            for finding in played.findings[:5]:
                print(f"  {finding.law}: {finding.what}")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    busy = time.process_time() - worked
    print(
        f"{wanted.schedules:,} schedules from seed {first} in {seconds:.1f} s ({busy:.1f} s of one core, "
        f"{wanted.schedules / busy:.0f} schedules a second of it); {failed} with findings"
    )
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
