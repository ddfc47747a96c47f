"""Values out of the bytes that a fuzzer makes, and mutations for machines without a fuzzer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value")

#: What makes readers take another path: limits of integers, separators, signatures and keywords.
TOKENS = (
    b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x80\0\0\0", b"\r\n", b"\n\n", b" ", b"/",
    b"\xef\xbb\xbf", b"nan", b"inf", b"-1", b"1e999", b"0", b"#", b"{}", b"[]", b'"', b"true", b"null",
    b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"IHDR", b"tRNS", b"eXIf", b"\xff\xd8\xff", b"\xff\xee\0\x0eAdobe",
    b"GIF89a", b"RIFF", b"P6", b"P5", b"BM",
)  # fmt: skip


class FuzzInput:
    """Reads values from the front of some bytes; where they end, everything is zero.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._next = 0

    def integer(self, low: int, high: int) -> int:
        """Take two bytes as a whole number from `low` to `high`, both included."""
        taken = self._data[self._next : self._next + 2]
        self._next += 2
        return low + int.from_bytes(taken, "little") % (high - low + 1)

    def fraction(self, low: float, high: float) -> float:
        """Take two bytes as a number from `low` to `high`, both included."""
        return low + (high - low) * self.integer(0, 65535) / 65535

    def choice(self, values: Sequence[Value]) -> Value:
        """Take one of `values`."""
        return values[self.integer(0, len(values) - 1)]

    def rest(self) -> bytes:
        """Take all bytes that are left."""
        taken = self._data[self._next :]
        self._next = len(self._data)
        return taken


def mutated(data: bytes, others: Sequence[bytes], generator: random.Random) -> bytes:
    """Change some bytes of `data`: flip, replace, remove or repeat a part, insert a token or a part of another."""
    result = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4, 16))):
        place = generator.randrange(len(result) + 1)
        length = generator.choice((1, 2, 4, 8, 64))
        kind = generator.randrange(6)
        if kind == 0 and place < len(result):
            result[place] ^= 1 << generator.randrange(8)
        elif kind == 1 and place < len(result):
            result[place] = generator.randrange(256)
        elif kind == 2:
            del result[place : place + length]
        elif kind == 3:
            result[place:place] = result[place : place + length]
        elif kind == 4:
            token = generator.choice(TOKENS)
            end = place + len(token) if generator.random() < 0.5 else place
            result[place:end] = token
        else:
            other = generator.choice(others)
            start = generator.randrange(len(other) + 1)
            result[place : place + length] = other[start : start + length]
    return bytes(result)
