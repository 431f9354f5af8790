"""What each flow of the workload must answer, worked out without an engine."""

from __future__ import annotations

from typing import Any

from tests.chaos.flows import LARGE
from tests.support.shapes import linked


def wrong(flow: str, params: dict[str, Any], result: Any, said: list[int]) -> str | None:
    """What is wrong with the result of a run; None when nothing is. `said` are the signals, in order."""
    x: int = params["x"]
    right: Any
    match flow:
        case "chain":
            right = linked(x, params["links"])
        case "fan":
            lanes = sum((x + n) ** 2 for n in range(params["width"]))
            right = lanes + sum(x + n + 7 for n in range(params["width"] // 2)) + 3 * 7 + 3 * x - 4
        case "family":
            right = sum(linked(x + n, 4) for n in range(params["children"])) + 3 * x + 99
        case "nap":
            asked = params["milliseconds"] / 1000
            return None if result[0] >= asked else f"slept {result[0]} s of {asked}"
        case "talk":
            right = said
        case "stubborn":
            right = [params["failures"] + 1, params["failures"] // 2 + 1]
        case "race":
            return _wrong_race(x, result)
        case "heavy":
            right = LARGE + (x + LARGE) % 10 + 3 * (x % 10)
        case "served" | "queued":
            right = linked(x, params["links"])
        case "stocked":
            right = linked(x, 2)
        case "calls":
            right = sum(x + n for n in range(params["number"]))
        case "desk":
            right = x + params["papers"] + 1
        case _:
            return f"{flow} was to be cancelled, and answered {result!r}"
    return None if result == right else f"answered {result!r} instead of {right!r}"


def _wrong_race(x: int, result: list[int]) -> str | None:
    dice, racers, second, last = result
    squares = [(x + n + dice) ** 2 for n in range(3)]
    if racers != 3 or second - 7 not in squares:
        return f"answered {result!r}, and the squares were {squares}"
    others = [one for one in squares if one != second - 7]  # all of them lost, or one, or none
    return None if (last - 1) // 3 in (sum(others), *others, 0) else f"answered {result!r}; its losers do not add up"
