"""Listeners: who wants to be told as soon as a store hears of a change."""

from __future__ import annotations

from collections.abc import Callable


class Listeners:
    """Callbacks without arguments, called on the loop's thread in the order in which they were added."""

    def __init__(self) -> None:
        self._wakes: dict[object, Callable[[], None]] = {}

    def add(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Tell this one, too; answers what ends that, which may be called more than once."""
        mark = object()
        self._wakes[mark] = wake

        def forget() -> None:
            self._wakes.pop(mark, None)

        return forget

    def tell(self) -> None:
        """There is news."""
        for wake in list(self._wakes.values()):
            wake()
