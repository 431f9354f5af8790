"""What each flow of the workload must come to, worked out without an engine."""

from __future__ import annotations

from typing import Any

from engine.model.run import RunState
from tests.simulation.limited import LARGE
from tests.simulation.plan import CANCELLED, Asked
from tests.support.shapes import linked


def end(asked: Asked) -> set[RunState]:
    """How a run may end."""
    if asked.flow in CANCELLED:
        return {RunState.CANCELLED}
    if asked.flow == "strict":
        return {RunState.SUCCEEDED, RunState.FAILED}
    well = asked.flow != "overdue" and asked.params.get("ends_well", True)
    ends = {RunState.SUCCEEDED if well else RunState.FAILED}
    return ends if asked.cancel is None else ends | {RunState.CANCELLED}


def failure(flow: str) -> bytes:
    """What the error of a run that fails tells."""
    return {"overdue": b"RunTimeout", "strict": b"UnknownOutcome"}.get(flow, b"Refused")


def lane(flow: str, params: dict[str, Any]) -> str | None:
    """The lane that a run belongs in."""
    if flow == "queued":
        return flow
    key = params.get({"served": "customer", "stocked": "shop", "reign": "shop"}.get(flow, ""))
    return None if key is None else f"{flow}:{key}"


def wrong(asked: Asked, result: Any, heard: list[int], *, jumps: bool) -> str | None:
    """What is wrong with the result of a run that succeeded. `jumps` says that clocks were set meanwhile."""
    if asked.flow == "race":
        right = _raced(asked.params["x"], result)
    elif asked.flow == "nap":
        right = result if result >= asked.params["seconds"] or jumps else asked.params["seconds"]
    else:
        right = _right(asked.flow, asked.params, result, heard)
    return None if result == right else f"answered {str(result)[:80]} instead of {str(right)[:80]}"


def _right(flow: str, params: dict[str, Any], result: Any, heard: list[int]) -> Any:
    x: int = params["x"]
    match flow:
        case "chain":
            return chained(x, params["links"])
        case "fan":
            return sum((x + n) ** 2 + x * 3 + n for n in range(params["width"]))
        case "family":
            return sum(chained(x + n, 2) for n in range(params["children"])) + x * 3 + 99
        case "talk":
            return heard[: params["words"]]
        case "stubborn":
            return [params["failures"] + 1, x + 1, x + 2, x + 3]
        case "bounded":
            return (x * 3 + 1) * 3 + 2
        case "careful":
            return [one if one == n - 3 else x + n + 5 for n, one in enumerate(result)]
        case _:
            return _limited(flow, params, result)


def _limited(flow: str, params: dict[str, Any], result: Any) -> Any:
    x: int = params["x"]
    match flow:
        case "rings":
            return [one if one == n - 3 else x + n + 8 for n, one in enumerate(result)]
        case "strict":
            return x + 7 * params["number"]
        case "served" | "queued" | "edition":
            return linked(x, params["links"])
        case "stocked":
            return linked(x, 2)
        case "calls":
            return sum(x + n + 1 for n in range(params["number"]))
        case "dials":
            return sum(x + n + 2 for n in range(params["number"]))
        case "metered":
            return x * 3
        case "fleet":
            return sum((x + n) * 3 for n in range(params["children"]))
        case "desk":
            x += params["papers"]
            return (x * 3 if params["helped"] else x) + 1
        case "errands":
            return sum(x + n + 3 for n in range(params["number"]))
        case "agency":
            return sum((x + n) * 3 for n in range(params["children"]))
        case "impatient":
            return sum(x + n for n in range(params["depth"] + 1)) + (x + params["depth"]) * 3
        case "heavy":
            return [str(x % 10) * LARGE] if params["large"] else [str(LARGE + x % 10)]
        case "courier":
            return LARGE + x % 10
        case _:
            raise AssertionError(f"{flow} has no result to foretell")


def chained(x: int, links: int) -> int:
    """What `chain` answers."""
    for n in range(links):
        x = x * 3 + n
        if n % 2:
            x += n
    return x


def _raced(x: int, result: list[int]) -> list[int]:
    squares = [(x + n) ** 2 for n in range(3)]
    winners = [
        [squares[n] for n in range(3) if mask >> n & 1] for mask in range(1, 8)
    ]  # any of them, or several, may have been first
    stories = [[min(won), x * 3 + min(won), sum(squares), sum(won) * 3 + len(won)] for won in winners]
    return result if result in stories else stories[0]
