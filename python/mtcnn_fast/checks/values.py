"""Checks of single values. Each is a declaration that also describes itself: in messages, help texts, docs and tests.

>>> Number(0, 1)("margin", 0.25)
0.25
>>> Number(0, 1).accepted
'a number from 0 to 1'
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable, Mapping, Set
from typing import Generic, NoReturn, Protocol, TypeVar

from mtcnn_fast.errors import ConfigError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Characters of a value that a message shows.
_SHOWN = 200


class Check(Protocol[T_co]):
    """What all checks have."""

    @property
    def accepted(self) -> str:
        """What is accepted, such as ``"a number from 0 to 1"``: a message says that the value must be this."""

    @property
    def plural(self) -> str:
        """The same of several values, such as ``"numbers from 0 to 1"``."""

    def __call__(self, name: str, value: object) -> T_co:
        """Return the value in its own type.

        Parameters
        ----------
        name : str
            What the caller calls the argument; the message starts with it.
        value : object

        Raises
        ------
        ConfigError
            If the value is not accepted; the message says what is, and what was given.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """A finite number, as float.

    Attributes
    ----------
    low, high : float
        Bounds.
    open_low, open_high : bool
        Whether the bound itself is refused.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    @property
    def accepted(self) -> str:
        """``a finite number of at least 1``, say."""
        return f"a {self._noun}{self._range}"

    @property
    def plural(self) -> str:
        """``finite numbers of at least 1``, say."""
        return f"{self._noun}s{self._range}"

    def __call__(self, name: str, value: object) -> float:
        """Return the number as float, or raise `ConfigError`."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            refuse_type(name, self.accepted, value)
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        inside = self.low <= result <= self.high and math.isfinite(result)
        if not inside or (self.open_low and result == self.low) or (self.open_high and result == self.high):
            refuse(name, self.accepted, value)
        return result

    @property
    def _noun(self) -> str:
        return "number" if math.isfinite(self.low) and math.isfinite(self.high) else "finite number"

    @property
    def _range(self) -> str:
        if math.isfinite(self.low) and math.isfinite(self.high) and not (self.open_low or self.open_high):
            return f" from {bound(self.low)} to {bound(self.high)}"
        low = "" if self.low == -math.inf else f"{'above' if self.open_low else 'of at least'} {bound(self.low)}"
        high = "" if self.high == math.inf else f"{'below' if self.open_high else 'at most'} {bound(self.high)}"
        if low and high:
            return f" {low} and {high}"
        return f" {'of ' if high.startswith('at') else ''}{low}{high}" if low or high else ""


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """A whole number, as int.

    Attributes
    ----------
    low : int
    high : int or None
        ``None`` for no upper bound.
    """

    low: int = 1
    high: int | None = None

    @property
    def accepted(self) -> str:
        """``a whole number from 1 to 1024``, say."""
        return f"a whole number{self._range}"

    @property
    def plural(self) -> str:
        """``whole numbers of at least 0``, say."""
        return f"whole numbers{self._range}"

    def __call__(self, name: str, value: object) -> int:
        """Return the number as int, or raise `ConfigError`."""
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            refuse_type(name, self.accepted, value)
        result = int(value)
        if result < self.low or (self.high is not None and result > self.high):
            refuse(name, self.accepted, value)
        return result

    @property
    def _range(self) -> str:
        return f" of at least {self.low}" if self.high is None else f" from {self.low} to {self.high}"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One of several texts.

    Attributes
    ----------
    options : tuple of str
    """

    options: tuple[str, ...]

    @property
    def accepted(self) -> str:
        """``one of zero, clip``, say."""
        return f"one of {', '.join(self.options)}"

    @property
    def plural(self) -> str:
        """``of zero, clip``, say."""
        return f"of {', '.join(self.options)}"

    def __call__(self, name: str, value: object) -> str:
        """Return the text, or raise `ConfigError`."""
        if not isinstance(value, str):
            refuse_type(name, self.accepted, value)
        if value not in self.options:
            refuse(name, self.accepted, value)
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    accepted = "true or false"
    plural = "of true and false"

    def __call__(self, name: str, value: object) -> bool:
        """Return the bool, or raise `ConfigError`."""
        if not isinstance(value, bool):
            refuse_type(name, self.accepted, value)
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Instance(Generic[T]):
    """An object of a class.

    Attributes
    ----------
    kind : type
    what : str
        How messages call it, if not by the name of its class.
    """

    kind: type[T]
    what: str = ""

    @property
    def accepted(self) -> str:
        """The name of the class, or `what`."""
        return self.what or self.kind.__name__

    @property
    def plural(self) -> str:
        """The same."""
        return self.accepted

    def __call__(self, name: str, value: object) -> T:
        """Return the object, or raise `ConfigError`."""
        if not isinstance(value, self.kind) or value == "":
            refuse_type(name, self.accepted, value)
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Maybe(Generic[T]):
    """What another check accepts, or None.

    Attributes
    ----------
    check : Check
    """

    check: Check[T]

    @property
    def accepted(self) -> str:
        """``a whole number of at least 1 or None``, say."""
        return f"{self.check.accepted} or None"

    @property
    def plural(self) -> str:
        """``whole numbers of at least 1 or None``, say."""
        return f"{self.check.plural} or None"

    def __call__(self, name: str, value: object) -> T | None:
        """Return the value, or raise `ConfigError`."""
        return None if value is None else self.check(name, value)


@dataclasses.dataclass(frozen=True, slots=True)
class Tuple(Generic[T]):
    """Several values that pass the same check, as tuple.

    Attributes
    ----------
    item : Check
    length : int or None
        ``None`` for any number of values.
    """

    item: Check[T]
    length: int | None = None

    @property
    def accepted(self) -> str:
        """``3 numbers from 0 to 1``, say."""
        return self.item.plural if self.length is None else f"{self.length} {self.item.plural}"

    @property
    def plural(self) -> str:
        """``tuples of 3 numbers from 0 to 1``, say."""
        return f"tuples of {self.accepted}"

    def __call__(self, name: str, value: object) -> tuple[T, ...]:
        """Return a tuple, or raise `ConfigError`; for a bad item its name has the index, as in ``thresholds[1]``."""
        # Text and bytes are sequences too, and a set has no order.
        if isinstance(value, (str, bytes, Set, Mapping)) or not isinstance(value, Iterable):
            refuse_type(name, self.accepted, value)
        try:
            items = list(value)
        except TypeError:
            # An array without dimensions says that it is iterable.
            refuse_type(name, self.accepted, value)
        if self.length is not None and len(items) != self.length:
            raise ConfigError(f"{name} must be {self.accepted}, got {len(items)}: {shown(items)}")
        return tuple(self.item(f"{name}[{i}]", item) for i, item in enumerate(items))


def refuse(name: str, accepted: str, value: object) -> NoReturn:
    """Raise `ConfigError` for a value that is out of range."""
    raise ConfigError(f"{name} must be {accepted}, got {shown(value)}")


def refuse_type(name: str, accepted: str, value: object) -> NoReturn:
    """Raise `ConfigError` for a value of another type."""
    kind = "" if value is None else f" ({type(value).__name__})"
    raise ConfigError(f"{name} must be {accepted}, got {shown(value)}{kind}")


def shown(value: object) -> str:
    """Return a value as messages show it: numbers with every digit, long texts cut off."""
    # numpy's own numbers: their text is the shortest that is the same number, their representation has the type's name.
    is_number = isinstance(value, numbers.Number) and not isinstance(value, bool)
    try:
        text = str(value) if is_number else repr(value)
    except ValueError:
        # Python writes no integer of more than 4,300 digits.
        text = f"{type(value).__name__} that is too long to show"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def bound(value: float) -> str:
    """Return a bound with every digit, but ``1`` for 1.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
