"""Tracebacks as their reader wants them: the frames of the user's code, without the machinery around it."""

from __future__ import annotations

import asyncio
import re
import traceback
from pathlib import Path
from typing import Final

_FRAME: Final = re.compile(r'^(?P<indent>[ |+-]*)File "(?P<file>[^"]+)", line \d+')

_MACHINERY: Final = (
    f"{Path(__file__).parent}/",
    f"{Path(asyncio.__file__).parent}/",
    f"{Path(asyncio.__file__).parent.parent}/concurrent/futures/",
    f"{Path(asyncio.__file__).parent.parent}/importlib/",
    "<frozen importlib",
)
"""Where frames come from that say nothing about the user's mistake."""


def trimmed(text: str) -> str:
    """A formatted traceback without frames of the engine, of asyncio and of the import system."""
    kept: list[str] = []
    dropping: int | None = None
    for line in text.rstrip("\n").split("\n"):
        frame = _FRAME.match(line)
        if frame is not None:
            dropping = len(frame["indent"]) if frame["file"].startswith(_MACHINERY) else None
        elif dropping is not None and not line[: dropping + 1].strip(" |"):
            continue  # the source line and the marks below a frame that was dropped
        else:
            dropping = None
        if dropping is None:
            kept.append(line)
    return "\n".join(_without_empty_headings(kept))


def has_frames(text: str) -> bool:
    """Whether a traceback names any place."""
    return any(_FRAME.match(line) for line in text.split("\n"))


def of(error: BaseException) -> str:
    """The trimmed traceback of an exception, its causes included."""
    return trimmed("".join(traceback.format_exception(error)))


def _without_empty_headings(lines: list[str]) -> list[str]:
    """`Traceback (most recent call last):` goes when no frame is left below it."""
    heading = "Traceback (most recent call last):"
    return [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.strip(" |+") != heading or _FRAME.match(following)
    ]
