"""Draws the state diagrams of ARCHITECTURE.md from the tables in engine/core.

`python scripts/draw_lives.py` writes them between their markers; with `--check` it only says whether they are current.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from engine.core import run_life
from engine.model.run import ENDED, RunState

PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"


State = TypeVar("State", bound=StrEnum)
Move = TypeVar("Move", bound=StrEnum)


def draw(moves: Mapping[tuple[State, Move], State], *, first: State, last: Collection[State]) -> str:
    """A Mermaid state diagram: one arrow for each pair of states, with all moves that make it."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, move), target in moves.items():
        arrows.setdefault((state, target), []).append(str(move))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {state} --> {target}: {', '.join(names)}" for (state, target), names in arrows.items()]
    lines += [f"    {state} --> [*]" for state in sorted(last)]
    return "\n".join([*lines, "```"])


def drawings() -> dict[str, str]:
    """Every diagram by the name in its markers."""
    return {"run": draw(run_life.MOVES, first=RunState.QUEUED, last=ENDED)}


def with_drawings(page: str) -> str:
    """The page with each diagram put between its markers. Raises ValueError when a pair of markers is missing."""
    for name, drawing in drawings().items():
        begin, end = f"<!-- life:{name}:begin -->", f"<!-- life:{name}:end -->"
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(between.findall(page)) != 1:
            raise ValueError(f"{PAGE.name} needs exactly one pair of {begin} and {end}")
        page = between.sub(f"{begin}\n{drawing}\n{end}", page)
    return page


def main(arguments: list[str]) -> int:
    """Draw, or check. Returns the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    drawn = with_drawings(page)
    if "--check" in arguments:
        if page != drawn:
            print(f"{PAGE.name}: a diagram differs from its table; `make docs` draws it again", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
