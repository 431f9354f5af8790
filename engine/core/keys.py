"""Keys: what a function of the user's makes of a call's arguments, as text, to tell lanes and rates apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from engine.core.arguments import signature_of
from engine.core.canonical import canonical, digest
from engine.model.errors import NotKeyable, UsageError
from engine.model.limits import Key

LONG: Final = 200
"""Characters of a key that are kept as they are; of a longer one the end becomes a digest."""


def key_text(key: Key, values: Mapping[str, Any], who: str) -> str | None:
    """What `key` answers for these arguments, of which it is given those that it names; None stays None.

    `who` says for messages whose key it is. Raises UsageError when the function fails, NotKeyable.
    """
    try:
        chosen = {name: values[name] for name in _asked(key, values) if name in values}
        found = cast("Callable[..., object]", key)(**chosen)
    except Exception as error:
        raise UsageError(f"{who}: the function that makes the key raised {type(error).__name__}: {error}") from error
    if found is None:
        return None
    try:
        text = found if isinstance(found, str) else canonical(found)
    except NotKeyable as error:
        raise NotKeyable(f"{who}: what the function answers cannot be a key: {error}") from None
    return text if len(text) <= LONG else f"{text[: LONG // 2]}…{digest(text)}"


def _asked(key: Key, values: Mapping[str, Any]) -> list[str]:
    """The arguments that a function asks for, by name."""
    parameters = signature_of(key).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return [*values]
    return [parameter.name for parameter in parameters]
