"""Values to JSON and back, by their declared type, refusing what would come back changed."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from engine.model.errors import NotStorable


class Codec:
    """The journal's view of one declared type. Built once, when a task is declared; the adapter on first use.

    A missing annotation counts as `Any`: JSON types come back as they went in, everything else is refused.
    """

    __slots__ = ("_adapter", "_dump", "_load", "_validate", "declared", "label")

    def __init__(self, declared: Any, label: str) -> None:
        self.declared = declared
        self.label = label
        self._adapter: Any = None

    def prepare(self) -> None:
        """Build the adapter now, up to half a millisecond, rather than in the middle of a run. Raises NotStorable."""
        if self._adapter is None:
            self._build()

    def _build(self) -> None:
        from pydantic import ConfigDict, TypeAdapter
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError

        config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
        try:
            try:
                adapter: Any = TypeAdapter(self.declared, config=config)
            except PydanticUserError as error:
                if error.code != "type-adapter-config-unused":  # models and dataclasses bring their own configuration
                    raise
                adapter = TypeAdapter(self.declared)
        except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
            raise NotStorable(
                f"{self.label}: values of the declared type {type_name(self.declared)} cannot be stored. Return a JSON "
                f"type, a dataclass, a pydantic model or a reference to what you stored elsewhere"
            ) from error
        self._adapter = adapter
        self._dump = adapter.serializer.to_json
        self._load = adapter.validator.validate_json
        self._validate = adapter.validate_python

    def validate(self, value: Any) -> Any:
        """A value of the declared type, coerced where pydantic's lax mode does so. Raises ValueError."""
        self.prepare()
        return self._validate(value)

    def encode(self, value: Any) -> bytes:
        """JSON of a value. Raises NotStorable."""
        if self._adapter is None:
            self._build()
        try:
            with_warnings: bytes = self._dump(value, warnings=False)
        except Exception as error:  # pydantic-core raises ValueError, TypeError and its own classes, by type of value
            raise self._refusal(value, f"it cannot be encoded ({error})") from error
        return with_warnings

    def decode(self, data: bytes) -> Any:
        """A fresh value from JSON. Raises NotStorable when the declared type no longer fits the record."""
        if self._adapter is None:
            self._build()
        try:
            return self._load(data)
        except ValueError as error:
            raise NotStorable(
                f"{self.label}: a recorded value does not fit the declared type {type_name(self.declared)}: {error}"
            ) from error

    def freeze(self, value: Any) -> tuple[bytes, Any]:
        """JSON of a value and the fresh copy that replay would hand out.

        Raises NotStorable when that copy is not equal to the value, so that a flow never sees live what it would not
        see on replay.
        """
        if value is None and self.declared in _NONE_FITS:
            return b"null", None
        data = self.encode(value)
        try:
            copy = self.decode(data)
        except NotStorable as error:
            raise self._refusal(value, "it does not fit the declared type") from error
        if (type(copy) is type(value) and copy == value) or same(copy, value):
            return data, copy
        raise self._refusal(value, f"it would come back from the journal as {shorten(copy)}")

    def _refusal(self, value: Any, reason: str) -> NotStorable:
        return NotStorable(
            f"{self.label}: returned {shorten(value)}, declared as {type_name(self.declared)}: {reason}. "
            f"Declare the type that is returned (`-> ...`), or return one that JSON can carry"
        )


_NONE_FITS: Final = (None, type(None), Any)
_EXACT: Final = frozenset({str, int, bool, bytes, type(None)})
"""Types of which an equal value of the same type is the same in every respect."""


def same(a: object, b: object) -> bool:
    """Equal in value and in type at every level, NaN equal to itself."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind in _EXACT:
        return a == b
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if issubclass(kind, (list, tuple)):
        first, second = (list(cast("Iterable[object]", side)) for side in (a, b))
        return _same_items(first, second)
    if isinstance(a, Mapping):
        return _same_mappings(cast("Mapping[object, object]", a), cast("Mapping[object, object]", b))
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a) if f.compare)
    if hasattr(kind, "__pydantic_fields__"):
        return _same_mappings(vars(a), vars(b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # array libraries warn, then answer with something that is not a bool
        return (a == b) is True


def _same_items(a: list[object], b: list[object]) -> bool:
    return len(a) == len(b) and all(map(same, a, b))


def _same_mappings(a: Mapping[object, object] | dict[str, Any], b: Mapping[object, object] | dict[str, Any]) -> bool:
    other = dict[object, object](b.items())
    return len(a) == len(other) and all(key in other and same(item, other[key]) for key, item in a.items())


def shorten(value: object, limit: int = 80) -> str:
    """A value for an error message: its type and the beginning of its repr."""
    text = shown(value)
    return f"{type(value).__name__} {text if len(text) <= limit else text[:limit] + '…'}"


def shown(value: object) -> str:
    """The repr of a value, or why it has none: a message about it must not fail because of it."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - somebody else's __repr__; Python's own refuses integers of 5,000 digits
        return f"<{type(error).__name__} in its repr: {error}>"


def type_name(declared: Any) -> str:
    """A declared type as a person would write it."""
    return (
        declared.__name__ if isinstance(declared, type) and not getattr(declared, "__args__", None) else str(declared)
    )
