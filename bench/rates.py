"""A row of rates: ours held against another's, measured in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.pairs import spread
from bench.row import Row


def rate_row(
    bench: str,
    claim: str,
    ours: Sequence[float],
    called: str,
    beside: Sequence[float],
    *,
    least: float | None = None,
    target: str = "",
    details: Mapping[str, Any] | None = None,
) -> Row:
    """Rates are so many a second, those at one place are a pair; `called` names whose the others are.

    The claim holds when the median of the pairs' ratios is at least `least`; without one the row only informs.
    """
    ratios = [own / other for own, other in zip(ours, beside, strict=True)]
    ratio = median(ratios)
    return Row(
        bench=bench,
        claim=claim,
        ours=f"{median(ours):,.0f}/s",
        beside=f"{called} {median(beside):,.0f}/s",
        ratio=ratio,
        target=target or ("" if least is None else f"≥ {least:.2f}"),
        holds=None if least is None else ratio >= least,
        details={
            "pairs": len(ratios),
            "per_s": spread(ours),
            "beside_per_s": spread(beside),
            "ratios": [round(each, 3) for each in ratios],
            **(details or {}),
        },
    )
