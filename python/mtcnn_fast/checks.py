"""Checks of settings: each returns the value in its own type, or raises `ConfigError` that names what was given."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Set

from mtcnn_fast.errors import ConfigError


def check_number(name: str, value: object, low: float = -math.inf) -> float:
    """Return a finite number that is at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or result < low:
        floor = f" of at least {low:g}" if math.isfinite(low) else ""
        raise ConfigError(f"{name} must be a finite number{floor}, got {value!r}")
    return result


def check_count(name: str, value: object) -> int:
    """Return a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r} ({type(value).__name__})")
    if value < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def check_probabilities(name: str, values: object, count: int) -> tuple[float, ...]:
    """Return `count` numbers from 0 to 1."""
    accepted = f"{name} must be {count} numbers from 0 to 1"
    # Text and bytes are sequences too, and a set has no order.
    if isinstance(values, (str, bytes, Set, Mapping)) or not isinstance(values, Iterable):
        raise ConfigError(f"{accepted}, got {values!r}")
    items: list[object] = list(values)
    if len(items) != count:
        raise ConfigError(f"{accepted}, got {len(items)}: {items!r}")
    result = tuple(check_number(f"{name}[{i}]", item) for i, item in enumerate(items))
    for i, item in enumerate(result):
        if not 0.0 <= item <= 1.0:
            raise ConfigError(f"{name}[{i}] must be from 0 to 1, got {item!r}")
    return result


def checked_number(name: str, value: object, accepted: str) -> float:
    """Return a number of any range; `accepted` says in words which range the caller goes on to check."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be {accepted}, got {value!r} ({type(value).__name__})")
    return float(value)


def checked_count(name: str, value: object, most: int) -> int:
    """Return a whole number from 1 to `most`."""
    accepted = f"{name} must be a whole number from 1 to {most}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{accepted}, got {value!r} ({type(value).__name__})")
    count = int(value)
    if not 1 <= count <= most:
        raise ConfigError(f"{accepted}, got {value!r}")
    return count
