"""Misuse: what was given in place of a flow with its parameters, and what to write instead."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import Any, Final, TypeAlias

from engine.flow import Call, Flow
from engine.model.errors import UsageError

Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"

SHOWN: Final = 60
"""Characters of the arguments of a call that are repeated."""


def check_call(given: Any) -> None:
    """Raise UsageError for anything but a `Call`. A coroutine is closed, so that nobody warns of it once more."""
    if isinstance(given, Call):
        return
    if isinstance(given, Flow):
        raise UsageError(f"start() takes {given.fn.__name__}.bind(...), not the flow {given.fn.__name__} itself")
    if inspect.iscoroutine(given):
        name, arguments = _called(given)
        given.close()
        raise UsageError(f"start() takes {name}.bind({arguments}), not {name}({arguments})")
    what = repr(given)[:SHOWN] if isinstance(given, str) else f"an object of type {type(given).__name__}"
    raise UsageError(f"start() takes a flow with its parameters, FLOW.bind(...), not {what}")


def _called(coroutine: Coroutine) -> tuple[str, str]:
    """The name of the flow and its arguments as they were given, `...` where these are long or not known."""
    if inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
        return coroutine.__name__, "..."
    values = inspect.getcoroutinelocals(coroutine)
    call: Any = values.get("call")
    if hasattr(call, "flow"):  # within a run, calling a flow makes the step of a child run
        return call.flow.fn.__name__, "..."
    code = coroutine.cr_code
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return coroutine.__name__, "..."
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    texts = [repr(values[name]) for name in names[: code.co_argcount]]
    texts += [f"{name}={values[name]!r}" for name in names[code.co_argcount :]]
    text = ", ".join(texts)
    return coroutine.__name__, text if len(text) <= SHOWN else "..."
