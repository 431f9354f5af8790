"""What type a flow waits for a signal with, read from its source: a journal has the name of the signal only."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from engine.flow import Flow


def declared(flows: Iterable[Flow[..., Any]], signal: str) -> str | None:
    """The type in `wait_for("approval", Approval)`; None when it is in none of these flows, or they do not agree."""
    found = {kind for flow in flows for name, kind in _waits(flow) if name == signal}
    return found.pop() if len(found) == 1 else None


def _waits(flow: Flow[..., Any]) -> Iterator[tuple[str, str | None]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(flow.fn)))
    except (OSError, TypeError, SyntaxError):
        return
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Name(id="wait_for") | ast.Attribute(attr="wait_for"),
                args=[ast.Constant(value=str() as name), *kinds],
            ):
                yield name, ast.unparse(kinds[0]) if kinds else None
            case _:
                pass
