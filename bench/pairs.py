"""Interleaving: two things measured in turn, so that a machine that changes speed changes both."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def interleaved(ours: Callable[[], A], beside: Callable[[], B], pairs: int, what: str = "") -> list[tuple[A, B]]:
    """Measure both once to warm up, then in pairs; who goes first alternates."""
    beside()
    ours()
    taken: list[tuple[A, B]] = []
    for number in range(pairs):
        progress(what, number, pairs)
        if number % 2:
            theirs = beside()
            taken.append((ours(), theirs))
        else:
            own = ours()
            taken.append((own, beside()))
    progress(what, pairs, pairs)
    return taken


def progress(what: str, done: int, total: int) -> None:
    """How far it is, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{what}: {done}/{total} ", end=end, file=sys.stderr, flush=True)


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The median over pairs of the first over the second."""
    return statistics.median(first / second for first, second in pairs)


def spread(values: Sequence[float]) -> list[float]:
    """Smallest, median and largest, rounded to what can be told apart."""
    return [float(f"{value:.4g}") for value in (min(values), statistics.median(values), max(values))]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]
