"""The fingerprint of a flow's code: its own source and that of every task and flow it can reach by name."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from hashlib import blake2b
from types import CodeType
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
        sources = {f"{fn.__module__}.{fn.__qualname__}": _normal_form(fn) for fn in map(_function, reachable(flow))}
        for name in sorted(sources):
            state.update(f"{name}\n{sources[name]}\n".encode())
        found = _known[flow] = state.hexdigest()
    return found


def reachable(flow: Flow[..., Any]) -> list[Flow[..., Any] | Task[..., Any]]:
    """The flow, and every task and flow that its code and theirs name as globals."""
    seen: list[Flow[..., Any] | Task[..., Any]] = []
    waiting: list[Flow[..., Any] | Task[..., Any]] = [flow]
    while waiting:
        node = waiting.pop()
        if any(node is other for other in seen):
            continue
        seen.append(node)
        fn = _function(node)
        names = [*fn.__code__.co_names, *_inner_names(fn.__code__)]
        used = [fn.__globals__.get(name) for name in names]
        waiting += [other for other in used if isinstance(other, (Flow, Task))]
    return seen


def _function(node: Flow[..., Any] | Task[..., Any]) -> Any:
    return inspect.unwrap(node.fn)


def _inner_names(code: CodeType) -> Iterator[str]:
    """Names used by functions defined inside a function."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from constant.co_names
            yield from _inner_names(constant)


def _normal_form(fn: Any) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, TypeError, SyntaxError):
        return str(fn.__code__.co_code.hex())
    for node in ast.walk(tree):
        body = node.body if isinstance(node, _BODIES) else []
        if len(body) > 1 and _is_docstring(body[0]):
            body.pop(0)
    return ast.dump(tree)


_BODIES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
