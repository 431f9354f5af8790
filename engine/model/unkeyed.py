"""unkeyed: marks a parameter that takes no part in a task's identity."""

from __future__ import annotations

from typing import Final


class Unkeyed:
    """Write `Annotated[Client, unkeyed]` for clients, pools and other handles that two calls may share."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "unkeyed"


unkeyed: Final = Unkeyed()
