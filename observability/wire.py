"""Protocol buffers, as far as OTLP needs them: numbers, and fields that say their length."""

from __future__ import annotations

from typing import Final

_SMALL: Final = 16_384


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_VARINTS: Final = tuple(_varint(number) for number in range(_SMALL))


def varint(number: int) -> bytes:
    """A number of at most 64 bits; negative ones in two's complement, as int64 has them."""
    return _VARINTS[number] if 0 <= number < _SMALL else _varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def field(tag: bytes, data: bytes) -> bytes:
    """A field with a length: a message, a string or bytes."""
    return tag + varint(len(data)) + data


def text(tag: bytes, value: str) -> bytes:
    """A string field. What UTF-8 cannot say (half a surrogate pair) becomes a question mark."""
    return field(tag, value.encode("utf-8", "replace"))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset behind it. Raises IndexError when the data ends too soon."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
