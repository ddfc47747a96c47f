"""Checks of arrays that no public function shows in full; the rest is tested where the functions are."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast import ConfigError
from mtcnn_fast.checks.arrays import Array, shape_text


@pytest.mark.parametrize(
    ("check", "accepted"),
    [
        (Array(()), "a finite number"),
        (Array((4,)), "finite numbers of shape (4,)"),
        (Array((None, 5, 2), np.float64), "finite numbers of shape (N, 5, 2)"),
        (Array((None, 4), finite=False), "numbers of shape (N, 4)"),
        (Array((3,), np.int64), "whole numbers of shape (3,)"),
    ],
)
def test_declarations_describe_themselves(check: Array, accepted: str) -> None:
    assert check.accepted == accepted
    with pytest.raises(ConfigError, match=r"^boxes must be "):
        check("boxes", "text")
    with pytest.raises(ConfigError) as caught:
        check("boxes", np.zeros((7, 7, 7)))
    assert str(caught.value).startswith(f"boxes must be {accepted}, got ")


def test_frozen_results_are_read_only_copies() -> None:
    given = np.arange(4, dtype=np.float32)
    held = Array((4,))("box", given)
    assert not held.flags.writeable
    assert not np.shares_memory(given, held)
    shared = Array((4,), frozen=False)("box", given)
    assert np.shares_memory(given, shared)


@pytest.mark.parametrize("value", [[], (), np.empty(0), np.empty((0, 4), np.float64)])
def test_empty_values_take_the_free_shape(value: object) -> None:
    assert Array((None, 4))("boxes", value).shape == (0, 4)


def test_whole_numbers_must_fit() -> None:
    check = Array((None,), np.int64)
    assert check("segments", np.array([3], np.uint64)).dtype == np.int64
    assert check("segments", []).dtype == np.int64
    with pytest.raises(ConfigError, match=r"^segments must fit int64, got 18446744073709551615$"):
        check("segments", np.array([1, 2**64 - 1], np.uint64))
    with pytest.raises(ConfigError, match=r"^segments must be whole numbers of shape \(N,\), got float64"):
        check("segments", [0.5])


def test_infinity_that_the_type_makes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^boxes must be finite numbers of shape \(2,\), got 1e\+300$"):
        Array((2,))("boxes", [0, 1e300])
    assert np.isinf(Array((2,), finite=False)("boxes", [0, 1e300])[1])


def test_shapes_are_written_as_python_does() -> None:
    assert [shape_text(shape) for shape in ((), (3,), (None, 4))] == ["()", "(3,)", "(N, 4)"]
