"""`python -m tests.chaos`: fight by hand, print what happened, and add it to the log."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos import report, script
from tests.chaos.arena import Arena, PostgresArena, SQLiteArena
from tests.chaos.battle import Plan, fight


def main() -> int:
    """Answers 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--store", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--in-hand", type=int, default=24)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--only", default="", help=f"some of: {', '.join(script.KINDS)}")
    parser.add_argument("--pace", type=float, default=0.85)
    parser.add_argument("--server-every", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=None, help="where ledger and logs stay; else they are deleted")
    parser.add_argument("--no-log", action="store_true", help="do not add to tests/chaos/log.jsonl")
    given = parser.parse_args()
    seed = secrets.randbits(31) if given.seed is None else given.seed
    print(f"seed {seed}, {given.store}, {given.seconds:g} s", flush=True)
    only = {kind.strip() for kind in given.only.split(",") if kind.strip()}

    def wanted(weights: dict[str, int]) -> dict[str, int]:
        return {kind: weight for kind, weight in weights.items() if not only or kind in only}

    sqlite = given.store == "sqlite"
    plan = Plan(
        seed=seed,
        seconds=given.seconds,
        slots=given.slots,
        in_hand=given.in_hand,
        weights=wanted(script.FILE_FAULTS if sqlite else script.NODE_FAULTS),
        server_weights={} if sqlite else wanted(script.SERVER_FAULTS),
        pace=given.pace,
        server_every=given.server_every,
        client_cuts=not only or script.CUT in only,
    )
    with tempfile.TemporaryDirectory(prefix="headrace-chaos-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            parser.error(f"{folder} is not empty")
        arena: Arena = SQLiteArena(folder) if sqlite else PostgresArena(given.slots, given.lease)
        outcome = asyncio.run(fight(plan, arena, folder))
    print(report.text(plan, arena, outcome))
    if not given.no_log:
        report.add_to_log(plan, arena, outcome)
        print(report.totals())
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
