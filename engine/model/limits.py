"""Pool: how many holders something scarce may have at once, over all processes on one store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pool:
    """A named number of slots. A slot is held by a node, and ends with it."""

    name: str
    slots: int

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Pool: the name must not be empty")
        if self.slots < 1:
            raise ValueError(f"Pool({self.name!r}, {self.slots}): at least one slot is needed")
