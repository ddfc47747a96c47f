"""Values that a check must refuse, made from its declaration."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mtcnn_fast.checks import Check, Choice, Count, Flag, Instance, Maybe, Number, Tuple

NO_NUMBERS = ["20", True, [20], 1j, math.nan, math.inf, -math.inf, 10**400, object(), np.array([1.0]), {}]
NO_COUNTS = ["8", True, 1.0, [1], math.nan, object(), np.float32(8), {}]


def bad_values(check: Check[object]) -> Iterator[object]:
    """Yield values of wrong types and values just outside the range."""
    if isinstance(check, Maybe):
        yield from (value for value in bad_values(check.check) if value is not None)
        return
    yield None
    if isinstance(check, Number):
        yield from NO_NUMBERS
        yield from _outside(check)
    elif isinstance(check, Count):
        yield from (*NO_COUNTS, check.low - 1, np.int64(check.low - 1), -(10**30))
        if check.high is not None:
            yield from (check.high + 1, 10**30)
    elif isinstance(check, Choice):
        first = check.options[0]
        yield from ("", f"{first} ", first.capitalize(), first.encode(), [first], 0, np.array([first]))
    elif isinstance(check, Flag):
        yield from (0, 1, "true", "", [True])
    elif isinstance(check, Instance):
        yield from (object(), 3, [], "" if check.kind is str else "text")
    elif isinstance(check, Tuple):
        yield from _no_tuples(check)
    else:
        raise AssertionError(f"no bad values are known for {check!r}")


def _outside(check: Number) -> Iterator[float]:
    if check.low > -math.inf:
        yield check.low if check.open_low else math.nextafter(check.low, -math.inf)
        yield check.low - 20
    if check.high < math.inf:
        yield check.high if check.open_high else math.nextafter(check.high, math.inf)
        yield check.high + 1


def _no_tuples(check: Tuple[object]) -> Iterator[object]:
    good = good_value(check.item)
    yield from (0.5, "abc", b"\x00\x01\x00", object(), np.array(0.5))
    if check.length is not None:
        yield from ([], [good] * (check.length - 1), [good] * (check.length + 1))
    length = check.length or 2
    yield dict.fromkeys(range(length), good)
    for bad in bad_values(check.item):
        for place in (0, length - 1):
            yield [bad if i == place else good for i in range(length)]


def good_value(check: Check[object]) -> object:
    """Return a value that a check accepts."""
    if isinstance(check, Maybe):
        return None
    if isinstance(check, Number):
        if check.high < math.inf and check.low > -math.inf:
            return (check.low + check.high) / 2
        return check.low + 1 if check.low > -math.inf else min(check.high, 1.0) - 1
    if isinstance(check, Count):
        return check.low
    if isinstance(check, Choice):
        return check.options[-1]
    if isinstance(check, Flag):
        return True
    if isinstance(check, Tuple):
        return (good_value(check.item),) * (check.length or 2)
    raise AssertionError(f"no good value is known for {check!r}")
