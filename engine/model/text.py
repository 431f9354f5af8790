"""Text: what of a command line, an environment or a program can be kept as such."""

from __future__ import annotations


def is_text(word: str) -> bool:
    """False for a string with surrogates: bytes that are not UTF-8, which no store and no trace can keep."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
