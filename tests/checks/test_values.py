"""Checks of single values: what they accept, what they say, and that every bad value is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from mtcnn_fast import ConfigError
from mtcnn_fast.checks import Check, Choice, Count, Flag, Instance, Maybe, Number, Tuple, shown
from support.bad_values import bad_values, good_value

DECLARATIONS = [
    (Number(), "a finite number", "finite numbers"),
    (Number(1), "a finite number of at least 1", "finite numbers of at least 1"),
    (Number(0, open_low=True), "a finite number above 0", "finite numbers above 0"),
    (Number(high=0.25), "a finite number of at most 0.25", "finite numbers of at most 0.25"),
    (Number(high=2, open_high=True), "a finite number below 2", "finite numbers below 2"),
    (Number(0, 1), "a number from 0 to 1", "numbers from 0 to 1"),
    (Number(0, 0.99, open_low=True), "a number above 0 and at most 0.99", "numbers above 0 and at most 0.99"),
    (Number(0, 1, open_high=True), "a number of at least 0 and below 1", "numbers of at least 0 and below 1"),
    (Count(), "a whole number of at least 1", "whole numbers of at least 1"),
    (Count(0), "a whole number of at least 0", "whole numbers of at least 0"),
    (Count(1, 1024), "a whole number from 1 to 1024", "whole numbers from 1 to 1024"),
    (Choice(("zero", "clip")), "one of zero, clip", "of zero, clip"),
    (Flag(), "true or false", "of true and false"),
    (Instance(Fraction), "Fraction", "Fraction"),
    (Instance(str, "a path"), "a path", "a path"),
    (Maybe(Count()), "a whole number of at least 1 or None", "whole numbers of at least 1 or None"),
    (Tuple(Number(0, 1), 3), "3 numbers from 0 to 1", "tuples of 3 numbers from 0 to 1"),
    (Tuple(Count(0)), "whole numbers of at least 0", "tuples of whole numbers of at least 0"),
    (Tuple(Flag(), 2), "2 of true and false", "tuples of 2 of true and false"),
]


@pytest.mark.parametrize(("check", "accepted", "plural"), DECLARATIONS)
def test_declarations_describe_themselves(check: Check[object], accepted: str, plural: str) -> None:
    assert (check.accepted, check.plural) == (accepted, plural)


@pytest.mark.parametrize("check", [check for check, _, _ in DECLARATIONS], ids=repr)
def test_every_bad_value_is_refused_by_name(check: Check[object]) -> None:
    values = list(bad_values(check))
    assert len(values) >= 4
    for value in values:
        with pytest.raises(ConfigError, match=r"^margin(\[\d\])* must be .*, got ."):
            check("margin", value)


@pytest.mark.parametrize("check", [c for c, _, _ in DECLARATIONS if not isinstance(c, Instance)], ids=repr)
def test_a_good_value_is_accepted(check: Check[object]) -> None:
    good = good_value(check)
    assert check("margin", good) == good


@pytest.mark.parametrize(
    ("check", "given", "held"),
    [
        (Number(), np.float32(0.1), float(np.float32(0.1))),
        (Number(), np.int64(3), 3.0),
        (Number(), Fraction(1, 4), 0.25),
        (Number(0, 1), 0, 0.0),
        (Count(), np.uint8(3), 3),
        (Tuple(Number(0, 1), 2), np.array([0.25, 0.5]), (0.25, 0.5)),
        (Tuple(Count(), None), (n for n in (1, 2, 3)), (1, 2, 3)),
        (Tuple(Count(), None), [], ()),
    ],
)
def test_values_come_back_in_plain_types(check: Check[object], given: object, held: object) -> None:
    value = check("margin", given)
    assert value == held
    assert type(value) is type(held)
    if isinstance(value, tuple):
        assert all(type(item) in (int, float) for item in value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nextafter(1, 2), "1.0000000000000002"),
        (np.nextafter(np.float32(1), np.float32(2)), "1.0000001"),
        (np.float32(0.1), "0.1"),
        (Fraction(1, 3), "1/3"),
        (True, "True"),
        ("a", "'a'"),
        ("a" * 300, "'" + "a" * 199 + "…"),
        pytest.param(10**5000, "int that is too long to show", id="digits"),
        pytest.param([10**5000], "list that is too long to show", id="list"),
    ],
)
def test_values_are_shown_in_full_within_reason(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_bad_item_is_named_by_its_index() -> None:
    with pytest.raises(ConfigError, match=r"^ratio\[1\] must be a number from 0 to 1, got '1' \(str\)$"):
        Tuple(Number(0, 1), 2)("ratio", [0, "1"])
