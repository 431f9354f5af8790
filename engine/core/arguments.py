"""The declared arguments of a call, as canonical text: what tells one call of a task from another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from engine.core.canonical import Known, canonical
from engine.model.errors import NotKeyable
from engine.model.unkeyed import Unkeyed

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Arguments:
    """Knows the parameters of one function and names the arguments of its calls.

    Defaults that were not passed are left out, so that a parameter with a default can be added to a task while
    runs are under way.
    """

    __slots__ = ("_fn", "_names", "_prefixes", "_simple", "_unkeyed", "_variadic", "label")

    def __init__(self, fn: Callable[..., Any], label: str) -> None:
        self._fn = fn
        self.label = label
        parameters = inspect.signature(fn).parameters.values()
        self._names = [p.name for p in parameters if p.kind in _POSITIONAL]
        self._prefixes = [f"{name}=" for name in self._names]
        self._variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self._unkeyed: frozenset[str] | None = None
        self._simple = False

    def text(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], known: Known | None = None) -> str:
        """For example `day=date:2026-01-01,limit=5`. Raises NotKeyable, naming the parameter.

        TypeError is not raised here: a call that does not fit the signature fails when the function is called.
        """
        if self._unkeyed is None:
            self._unkeyed = _unkeyed_parameters(self._fn)
            self._simple = not self._unkeyed and self._variadic is None
        if self._simple and not kwargs and len(args) <= len(self._names):
            if len(args) == 1:
                try:
                    return self._prefixes[0] + canonical(args[0], known)
                except NotKeyable as error:
                    raise self._refusal(self._names[0], error) from None
            pairs = list(zip(self._names, args, strict=False))
        else:
            pairs = list(self._bind(args, kwargs).items())
        parts: list[str] = []
        for name, value in pairs:
            try:
                parts.append(f"{name}={canonical(value, known)}")
            except NotKeyable as error:
                raise self._refusal(name, error) from None
        return ",".join(parts)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        bound: dict[str, Any] = dict(zip(self._names, args, strict=False))
        if len(args) > len(self._names):
            bound[f"*{self._variadic or 'args'}"] = args[len(self._names) :]
        known_order = [name for name in self._names if name in kwargs]
        for name in [*known_order, *sorted(set(kwargs) - set(known_order))]:
            bound[name] = kwargs[name]
        unkeyed = self._unkeyed or frozenset()
        return {name: value for name, value in bound.items() if name not in unkeyed}

    def _refusal(self, name: str, error: NotKeyable) -> NotKeyable:
        return NotKeyable(f"{self.label}: the argument `{name}` cannot identify the call: {error}")


def _unkeyed_parameters(fn: Callable[..., Any]) -> frozenset[str]:
    hints = resolve_hints(fn)
    return frozenset(
        name
        for name, hint in hints.items()
        if get_origin(hint) is Annotated and any(isinstance(mark, Unkeyed) for mark in get_args(hint)[1:])
    )


def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, kept: to find it takes longer than to call it. Raises TypeError, ValueError."""
    try:
        return _kept_signature(fn)
    except TypeError:  # a callable that cannot be hashed
        return inspect.signature(fn)


@lru_cache(512)
def _kept_signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(fn)


def resolve_hints(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations with their `Annotated` marks; empty when a name in them cannot be resolved at run time."""
    try:
        return get_type_hints(fn, include_extras=True)
    except NameError:
        return _resolve_one_by_one(fn)


def _resolve_one_by_one(fn: Callable[..., Any]) -> dict[str, Any]:
    """One unresolvable annotation (a name imported for type checkers only) must not cost the others."""
    resolved: dict[str, Any] = {}
    closure: dict[str, Any] = dict(inspect.getclosurevars(fn).nonlocals) if inspect.isfunction(fn) else {}
    for name, hint in getattr(fn, "__annotations__", {}).items():
        if not isinstance(hint, str):
            resolved[name] = hint
            continue
        try:
            resolved[name] = eval(hint, getattr(fn, "__globals__", {}), closure)  # noqa: S307 - the author's own annotation
        except NameError:
            continue
    return resolved
