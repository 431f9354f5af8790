"""The fingerprint of a flow's code: its own source and that of every task and flow it can reach by name."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final
from weakref import WeakKeyDictionary

from engine.flow import Flow
from engine.task import Task

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""A run stores it: another minor version is another code version, since asyncio itself differs."""

_known: WeakKeyDictionary[Flow[..., Any], str] = WeakKeyDictionary()


def fingerprint(flow: Flow[..., Any]) -> str:
    """16 hex digits; comments, formatting and docstrings do not count. Kept per flow object."""
    found = _known.get(flow)
    if found is None:
        state = blake2b(digest_size=8)
        for name, source in sorted(_sources(flow, {})):
            state.update(f"{name}\n{source}\n".encode())
        found = _known[flow] = state.hexdigest()
    return found


def _sources(node: Flow[..., Any] | Task[..., Any], seen: dict[str, None]) -> Iterator[tuple[str, str]]:
    fn = inspect.unwrap(node.fn)
    name = f"{fn.__module__}.{fn.__qualname__}"
    if name in seen:
        return
    seen[name] = None
    yield name, _normal_form(fn)
    for used in fn.__code__.co_names:
        other = fn.__globals__.get(used)
        if isinstance(other, (Flow, Task)):
            yield from _sources(other, seen)


def _normal_form(fn: Any) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, TypeError, SyntaxError):
        return str(fn.__code__.co_code.hex())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and _is_docstring(body[0]):
            body.pop(0)
    return ast.dump(tree)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
