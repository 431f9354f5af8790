"""The canonical text of a value: equal values have equal texts, in every process and on every day.

It is JSON where JSON has the type, and a tagged form elsewhere. It is hashed for step keys and its beginning is
shown to people, so it never contains an address, a hash seed or the order of a set.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import blake2b
from json.encoder import encode_basestring_ascii
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final
from uuid import UUID

from engine.model.errors import NotKeyable

MAX_DEPTH: Final = 100
"""Deeper nesting is refused: it is a cycle, or will be one recursion error later."""

Known = Mapping[int, str]
"""Digests of objects whose text is known without looking, by `id`."""


def digest(text: str) -> str:
    """20 hex digits (80 bits) of BLAKE2b: a collision within a run of a million steps has odds of one in 10^12."""
    return blake2b(text.encode(), digest_size=10).hexdigest()


def canonical(value: object, known: Known | None = None, depth: int = 0) -> str:
    """The text of a value. Raises NotKeyable, naming the type, when it has none."""
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    if depth > MAX_DEPTH:
        raise NotKeyable(f"a value is nested deeper than {MAX_DEPTH} levels, or contains itself")
    if known and (seen := known.get(id(value))):
        return f"@{seen}"
    nested = _NESTED.get(type(value))
    if nested is not None:
        return nested(value, known, depth + 1)
    return _other(value, known, depth + 1)


def _list(value: Any, known: Known | None, depth: int) -> str:
    return "[" + ",".join([canonical(item, known, depth) for item in value]) + "]"


def _dict(value: Any, known: Known | None, depth: int) -> str:
    pairs = [(canonical(key, known, depth), canonical(item, known, depth)) for key, item in value.items()]
    pairs.sort()
    return "{" + ",".join([f"{key}:{item}" for key, item in pairs]) + "}"


def _set(value: Any, known: Known | None, depth: int) -> str:
    return "set[" + ",".join(sorted([canonical(item, known, depth) for item in value])) + "]"


def _bytes(value: Any) -> str:
    raw = bytes(value)
    return f"b'{raw.hex()}'" if len(raw) <= 32 else f"b'{blake2b(raw, digest_size=16).hexdigest()}'#{len(raw)}"


def _fields(value: object, names: list[str], known: Known | None, depth: int) -> str:
    inner = ",".join([f"{name}:{canonical(getattr(value, name), known, depth)}" for name in sorted(names)])
    return f"{type(value).__qualname__}{{{inner}}}"


def _other(value: object, known: Known | None, depth: int) -> str:
    """Types recognised by what they are rather than by their exact class."""
    kind = type(value)
    if isinstance(value, Enum):
        return f"{kind.__qualname__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, [f.name for f in dataclasses.fields(value) if f.compare], known, depth)
    model_fields: dict[str, object] | None = getattr(kind, "__pydantic_fields__", None)
    if model_fields is not None:
        extra: dict[str, object] = getattr(value, "__pydantic_extra__", None) or {}
        return _fields(value, [*model_fields, *extra], known, depth)
    attrs = getattr(kind, "__attrs_attrs__", None)
    if attrs is not None:
        return _fields(value, [a.name for a in attrs], known, depth)
    if isinstance(value, tzinfo):
        return f"tz:{value}"
    if isinstance(value, PurePath):
        return f"path:{encode_basestring_ascii(value.as_posix())}"
    if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
        return _named(value)
    name = getattr(value, "__headrace_name__", None)
    if isinstance(name, str):
        return f"{kind.__name__.lower()}:{name}"
    for base, plain in _BASES:
        if isinstance(value, base):
            return f"{kind.__qualname__}:{plain(value, known, depth)}"
    raise NotKeyable(
        f"a {kind.__module__}.{kind.__qualname__} has no canonical encoding. Annotate the parameter as "
        f"`Annotated[{kind.__qualname__}, unkeyed]` if two calls may share it, or give the task `key=`"
    )


def _named(value: Any) -> str:
    qualname: str = value.__qualname__
    if "<locals>" in qualname or "<lambda>" in qualname:
        raise NotKeyable(
            f"the function or class {qualname} is local, so its name does not identify it; give the task `key=`"
        )
    return f"name:{value.__module__}:{qualname}"


def _true_or_false(value: Any) -> str:
    return "true" if value else "false"


_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    str: encode_basestring_ascii,
    int: int.__repr__,
    bool: _true_or_false,
    float: float.__repr__,
    type(None): lambda _: "null",
    bytes: _bytes,
    bytearray: _bytes,
    datetime: lambda v: f"datetime:{v.isoformat()}",
    date: lambda v: f"date:{v.isoformat()}",
    time: lambda v: f"time:{v.isoformat()}",
    timedelta: lambda v: f"timedelta:{v.days}d{v.seconds}s{v.microseconds}us",
    timezone: lambda v: f"tz:{v}",
    UUID: lambda v: f"uuid:{v.hex}",
    Decimal: lambda v: f"decimal:{v}",
    Fraction: lambda v: f"fraction:{v}",
    complex: repr,
    range: repr,
    re.Pattern: lambda v: f"re:{v.pattern!r}#{v.flags}",
}

_NESTED: Final[dict[type, Callable[[Any, Known | None, int], str]]] = {
    list: _list,
    tuple: _list,
    dict: _dict,
    set: _set,
    frozenset: _set,
}

_BASES: Final[list[tuple[type | tuple[type, ...], Callable[[Any, Known | None, int], str]]]] = [
    (bool, lambda v, _k, _d: _true_or_false(v)),
    (int, lambda v, _k, _d: int.__repr__(v)),
    (str, lambda v, _k, _d: encode_basestring_ascii(str(v))),
    (float, lambda v, _k, _d: float.__repr__(v)),
    (datetime, lambda v, _k, _d: v.isoformat()),
    (date, lambda v, _k, _d: v.isoformat()),
    (Mapping, _dict),
    ((list, tuple), _list),
    ((set, frozenset), _set),
    ((bytes, bytearray), lambda v, _k, _d: _bytes(v)),
]
