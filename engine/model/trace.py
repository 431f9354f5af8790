"""Where a run's trace goes on: traces are bounded, and a large run continues in further ones, linked to the last.

Tempo refuses what exceeds 5 MB a trace by default, the root span with it; that is about 12,000 spans of ours, fewer
where many have errors. A step belongs to the part that was current when it began, with everything that happens inside
it. The id of its span says which part that is, so that journal, exporter and the next owner of the run agree without
asking.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

PART: Final = 5_000
"""Journal lines of a run from the beginning of one part of its trace to the next."""

_BITS: Final = 55
_LOW: Final = (1 << _BITS) - 1
PART_MASK: Final = 0xFF << _BITS
"""The bits of a span id that hold the part: 256 of them, for a journal of at most 1,000,000 lines."""


def part_of(span: int) -> int:
    """The part that a step's span belongs to; 0 is the run's own trace."""
    return span >> _BITS


def in_part(span: int, part: int) -> int:
    """The id of a step's span in a part."""
    return (span & _LOW) | part << _BITS


@lru_cache(1024)
def place_of(trace: bytes, root: int, part: int) -> tuple[bytes, int]:
    """The trace of a part, 16 bytes, and the id of the span at its root. Trace ids never begin with 0.

    `trace` and `root` are the run's: several runs share a trace, a run and its children, and no further one.
    """
    if part == 0:
        return trace, root
    raw = blake2b(b"%d %d" % (root, part), key=trace, digest_size=24).digest()
    return bytes([raw[0] | 0x10]) + raw[1:16], in_part(int.from_bytes(raw[16:], "big"), part)
