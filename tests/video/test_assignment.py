"""The pairs of largest sum, beside scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtcnn_fast.video.assignment import best_pairs

GAINS = st.tuples(st.integers(0, 7), st.integers(0, 7)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 1, width=16))
)


@pytest.mark.property
@given(GAINS, st.floats(0.01, 1))
def test_the_sum_is_that_of_scipy(gains: np.ndarray, least: float) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="the comparison needs scipy")
    rows, columns = best_pairs(gains, least)
    assert len(set(rows.tolist())) == len(rows) == len(set(columns.tolist())) == len(columns)
    assert (np.diff(rows) > 0).all()
    assert (gains[rows, columns] >= least).all()
    possible = np.where(gains >= least, gains, 0)
    best = possible[optimize.linear_sum_assignment(possible, maximize=True)].sum()
    assert gains[rows, columns].sum() == pytest.approx(best)


def test_greedy_pairs_would_be_worse() -> None:
    rows, columns = best_pairs(np.array([[0.9, 0.8], [0.8, 0.0]]), 0.1)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
