"""Exceptions as values of the journal: the flow meets the same one live and on replay."""

from __future__ import annotations

import json
import traceback
from importlib import import_module
from typing import Any, Final, NotRequired, TypedDict, cast

from engine.model.errors import TaskFailed

TRACEBACK_LIMIT: Final = 16_384
"""Characters of a stack that are kept, counted from its end, where Python has the useful part."""

MESSAGE_LIMIT: Final = 8_192


class Failure(TypedDict):
    """What the journal keeps of an exception. `errors` has the members of an exception group."""

    type: str
    message: str
    args: list[Any] | None
    attributes: NotRequired[dict[str, Any]]
    notes: list[str]
    traceback: str
    errors: list[Failure] | None


def describe(error: BaseException) -> Failure:
    """The record of an exception. Never raises: what cannot be kept is left out."""
    kind = type(error)
    members = members_of(error)
    stack = "".join(traceback.format_exception(error))
    if recorded := getattr(error, "headrace_traceback", ""):
        stack = f"{recorded}\nThe exception above was recorded; it reached the flow here:\n\n{stack}"
    args = _plain_args(error)
    try:
        attributes = _lost_attributes(error, args)
    except Exception:  # noqa: BLE001 - somebody else's values: an exception without them is another one
        args, attributes = None, {}
    return Failure(
        type=f"{kind.__module__}:{kind.__qualname__}",
        message=_told(error)[:MESSAGE_LIMIT],
        args=args,
        attributes=attributes,
        notes=[str(note) for note in getattr(error, "__notes__", [])],
        traceback=stack[-TRACEBACK_LIMIT:],
        errors=[describe(member) for member in members] or None,
    )


def encode(failure: Failure) -> bytes:
    """JSON of a record."""
    return json.dumps(failure, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(data: bytes) -> Failure:
    """The record from JSON."""
    failure: Failure = json.loads(data)
    return failure


def rebuild(failure: Failure) -> Exception:
    """The exception a flow gets: its own class where that can be made from its arguments, TaskFailed elsewhere.

    The class is imported by name and called with the recorded arguments; the result counts only when it is of
    exactly that class with exactly those arguments. It gets the attributes that the arguments do not tell.
    `headrace_traceback` has the recorded stack.
    """
    error = _rebuild_group(failure) if failure.get("errors") else _rebuild_one(failure)
    if error is None:
        error = TaskFailed(failure["type"].replace(":", "."), failure["message"], failure["traceback"])
    for note in failure["notes"]:
        error.add_note(note)
    error.headrace_traceback = failure["traceback"]  # type: ignore[attr-defined]
    return error


def _rebuild_group(failure: Failure) -> Exception | None:
    members = [rebuild(member) for member in failure["errors"] or []]
    message = failure["args"][0] if failure["args"] else failure["message"]
    return ExceptionGroup(str(message), members) if failure["type"] == "builtins:ExceptionGroup" else None


def _rebuild_one(failure: Failure) -> Exception | None:
    args = failure["args"]
    kind = _find_class(failure["type"])
    error = None if args is None or kind is None else _made(kind, args)
    if error is not None:
        vars(error).update(failure.get("attributes", {}))
    return error


def _made(kind: type[Exception], args: list[Any]) -> Exception | None:
    """An exception of exactly this class with exactly these arguments; None when its constructor makes another."""
    try:
        error = kind(*args)
    except Exception:  # noqa: BLE001 - a constructor of the user's may raise anything, and then the class cannot be used
        return None
    return error if type(error) is kind and list(error.args) == args else None


def _find_class(path: str) -> type[Exception] | None:
    module, _, qualname = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _plain_args(error: BaseException) -> list[Any] | None:
    """The arguments when JSON carries them unchanged, else None."""
    if isinstance(error, BaseExceptionGroup):
        return [error.message]
    args = list(error.args)
    try:
        data = json.dumps(args, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return args if json.loads(data) == args and len(data) <= TRACEBACK_LIMIT else None


def _lost_attributes(error: BaseException, args: list[Any] | None) -> dict[str, Any]:
    """The attributes that a class made from the arguments again would not have, or would have other ones.

    `super().__init__(f"refused: {reason}")` in a class whose argument is the reason, for example. Raises TypeError or
    ValueError when JSON cannot carry them.
    """
    if args is None or not isinstance(error, Exception) or (again := _made(type(error), args)) is None:
        return {}
    attributes, remade = _attributes(error), _attributes(again)
    if attributes == remade:
        return {}
    data = json.dumps(attributes, allow_nan=False)
    if json.loads(data) != attributes or len(data) > TRACEBACK_LIMIT:
        raise ValueError("they would come back as something else")
    return attributes


def _attributes(error: Exception) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name not in _OURS}


_OURS: Final = frozenset({"__notes__", "headrace_traceback"})
"""Attributes that are put on an exception after it was made."""


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions in a group; none for any other exception."""
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if isinstance(error, BaseExceptionGroup) else ()


def _told(error: BaseException) -> str:
    """The text of an exception; that of a group names its first member, which is what people look for."""
    text = _message(error)
    first = error
    while members := members_of(first):
        first = members[0]
    return text if first is error else f"{text}: {type(first).__name__}: {_message(first)}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - a broken __str__ must not hide the error it belongs to
        return f"<no message: {type(second).__name__} in __str__>"
