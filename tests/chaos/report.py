"""The report of a battle, for people and for the log that adds up over time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.chaos.arena import Arena
from tests.chaos.battle import Outcome, Plan
from tests.chaos.script import KINDS

LOG: Final = Path(__file__).with_name("log.jsonl")
SHOWN: Final = 20
"""Findings of each law that are printed."""


def text(plan: Plan, arena: Arena, outcome: Outcome) -> str:
    """What is printed."""
    return "\n".join(_lines(plan, arena, outcome))


def _lines(plan: Plan, arena: Arena, outcome: Outcome) -> Iterator[str]:
    counts = ", ".join(f"{kind} {outcome.counts[kind]}" for kind in KINDS if outcome.counts[kind])
    yield f"seed {plan.seed} on {arena.name}, {plan.seconds:g} s, {plan.slots} nodes, lease {arena.lease:g} s"
    yield f"faults    {sum(outcome.counts.values())}: {counts}"
    yield f"runs      {outcome.runs}, {outcome.lines} journal lines, {outcome.effects} effects, {outcome.spans} spans"
    limit = arena.lease + 1
    yield f"takeover  {outcome.takeover.summary()}, {outcome.takeover.over(limit)} over {limit:g} s"
    yield f"hand-over {outcome.handover.summary()}, {outcome.handover.over(1.0)} over 1 s"
    if outcome.fenced_after:
        fenced, worst = len(outcome.fenced_after), max(outcome.fenced_after)
        yield f"fenced    {fenced} frozen nodes stopped themselves, awake for at most {worst:.2f} s"
        yield f"          {outcome.by_the_dead} effects began in that time of which others had recorded the outcome"
    if outcome.stopping:
        yield f"stops     p50 {median(outcome.stopping):.2f} s, longest {max(outcome.stopping):.2f} s"
    yield f"findings  {len(outcome.findings)}"
    laws = Counter(finding.law for finding in outcome.findings)
    for law, times in laws.items():
        yield f"  {law}: {times}"
    for law in laws:
        for finding in [finding for finding in outcome.findings if finding.law == law][:SHOWN]:
            yield f"  - {law}: {finding.what}"
    if outcome.findings:
        yield f"once more: make chaos SEED={plan.seed} SECONDS={plan.seconds:g} STORE={arena.name}"


def add_to_log(plan: Plan, arena: Arena, outcome: Outcome, file: Path = LOG) -> None:
    """Add one line to the log, findings included."""
    line: dict[str, Any] = {
        "day": datetime.now(UTC).date().isoformat(),
        "seed": plan.seed,
        "store": arena.name,
        "seconds": plan.seconds,
        "nodes": plan.slots,
        "lease": arena.lease,
        "faults": {kind: outcome.counts[kind] for kind in KINDS if outcome.counts[kind]},
        "runs": outcome.runs,
        "lines": outcome.lines,
        "effects": outcome.effects,
        "takeover": outcome.takeover.summary(),
        "handover": outcome.handover.summary(),
        "by the dead": outcome.by_the_dead,
        "findings": Counter(finding.law for finding in outcome.findings),
    }
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def totals(file: Path = LOG) -> str:
    """What all battles of the log add up to."""
    sums: dict[str, Counter[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        battle = json.loads(line)
        one = sums.setdefault(battle["store"], Counter())
        one.update(battle["faults"])
        one.update({"runs": battle["runs"], "findings": sum(battle["findings"].values()), "battles": 1})
    shown: list[str] = []
    for store, sum_ in sorted(sums.items()):
        faults = sum(sum_[kind] for kind in KINDS)
        kinds = ", ".join(f"{kind} {sum_[kind]}" for kind in KINDS if sum_[kind])
        shown.append(
            f"so far on {store}: {sum_['battles']} battles, {sum_['runs']} runs, {faults} faults ({kinds}), "
            f"{sum_['findings']} findings"
        )
    return "\n".join(shown)
