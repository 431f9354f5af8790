"""The spans that arrived, kept small: enough to see whether each trace is one whole tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from engine.model import entry as kinds
from tests.chaos.history import History
from tests.chaos.sight import LineRow, RunRow
from tests.support.otlp import Log, Span

TOLD: Final = frozenset({kinds.TASK, kinds.ATTEMPT, kinds.SLEEP, kinds.SIGNAL, kinds.DEADLINE})
"""The kinds of lines that make a span. A child's line makes none: its own root hangs in its place."""


class Told(NamedTuple):
    """A span, as far as it matters here. Ids are hex; `parent` is empty for a root."""

    span: str
    parent: str
    name: str
    kind: str
    started: int
    ended: int


class Traces:
    """Filled on the receiver's thread, read when it has stopped."""

    def __init__(self) -> None:
        self.spans: dict[str, dict[str, Told]] = {}
        self.repeats = 0
        self.differing: list[str] = []

    def take(self, one: Span | Log) -> None:
        """Note a span that arrived."""
        if isinstance(one, Log):
            return
        told = Told(one.span, one.parent, one.name, one.kind, one.started, one.ended)
        known = self.spans.setdefault(one.trace, {}).setdefault(one.span, told)
        if known is not told:
            self.repeats += 1
            if known != told:
                self.differing.append(f"a span came twice, and not the same: {known} and {told}")

    def wrong(self, history: History) -> list[str]:
        """What is wrong with the traces of the runs that ended."""
        by_trace: dict[str, list[RunRow]] = {}
        for run in history.runs.values():
            by_trace.setdefault(run.trace, []).append(run)
        lines: dict[int, list[LineRow]] = {}
        for seen in history.lines.values():
            lines.setdefault(seen.line.run, []).append(seen.line)
        found: list[str] = []
        for trace, runs in by_trace.items():
            spans = self.spans.get(trace, {})
            root = min(runs, key=lambda run: run.num)
            what = ", ".join([*_strays(root, spans), *_missing(runs, lines, spans)])
            if what:
                found.append(f"trace {trace} of run {root.id} ({root.state}): {what}")
        return found


def _strays(root: RunRow, spans: dict[str, Told]) -> Iterable[str]:
    roots = [told for told in spans.values() if told.parent not in spans]
    if [told.span for told in roots] != [_hex(root.span)]:
        yield f"{len(roots)} spans without a parent: {[(told.name, told.parent) for told in roots[:4]]}"
    for told in spans.values():
        if told.ended < told.started:
            yield f"{told.name} ends before it starts"


def _missing(runs: list[RunRow], lines: dict[int, list[LineRow]], spans: dict[str, Told]) -> Iterable[str]:
    for run in runs:
        if _hex(run.span) not in spans:
            yield f"the root of {run.id} is missing"
        gone = [line for line in lines.get(run.num, ()) if _makes_span(line) and _hex(line.span) not in spans]
        if gone:
            some = [(line.seq, line.kind, line.name) for line in gone[:4]]
            yield f"{len(gone)} of {run.id}'s spans are missing: {some}"


def _makes_span(line: LineRow) -> bool:
    return line.kind in TOLD and line.kind != kinds.ATTEMPT and bool(line.span)


def _hex(span: int) -> str:
    return f"{span & (2**64 - 1):016x}"
