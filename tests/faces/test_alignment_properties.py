"""The least squares similarity, held against its definition and against Umeyama's own derivation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtcnn_fast.faces import alignment

pytestmark = pytest.mark.property

TEMPLATE = alignment.TEMPLATES["arcface"]

points = arrays(np.float64, (5, 2), elements=st.floats(-1000, 1000, allow_subnormal=False))
scales = st.floats(0.01, 100)
angles = st.floats(-np.pi, np.pi)
shifts = st.floats(-1000, 1000)


def similarity(scale: float, angle: float, tx: float, ty: float) -> np.ndarray:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, tx], [b, a, ty]])


def squared_error(matrix: np.ndarray, src: np.ndarray, dst: np.ndarray) -> float:
    return float(((alignment.transform(matrix, src) - dst) ** 2).sum())


def assume_spread(src: np.ndarray, least: float = 1.0) -> None:
    assume(np.abs(src - src.mean(axis=0)).max() > least)


def umeyama(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Equations 40 to 42 of the paper, by singular value decomposition."""
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    covariance = (dst - dst_mean).T @ (src - src_mean) / len(src)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / ((src - src_mean) ** 2).sum(axis=1).mean()
    return np.column_stack([scale * rotation, dst_mean - scale * rotation @ src_mean])


@given(scales, angles, shifts, shifts)
def test_an_exact_similarity_is_found(scale: float, angle: float, tx: float, ty: float) -> None:
    matrix = similarity(scale, angle, tx, ty)
    landmarks = alignment.transform(matrix, TEMPLATE)
    found = alignment.alignment_matrix(landmarks)
    assert np.abs(alignment.transform(found, landmarks) - TEMPLATE).max() < 1e-4
    assert np.abs(alignment.transform(alignment.invert(found), TEMPLATE) - landmarks).max() < 1e-4
    np.testing.assert_allclose(alignment.invert(found), matrix, rtol=1e-6, atol=1e-6)


@given(points, points)
def test_the_transform_is_a_similarity_without_reflection(src: np.ndarray, dst: np.ndarray) -> None:
    assume_spread(src)
    assume_spread(dst)
    matrix = similarity_or_reject(src, dst)
    (a, minus_b, _), (b, also_a, _) = matrix
    assert (a, b) == (also_a, -minus_b)
    assert a * a + b * b > 0


@given(points, points)
def test_the_gradient_of_the_error_vanishes(src: np.ndarray, dst: np.ndarray) -> None:
    assume_spread(src)
    assume_spread(dst)
    matrix = similarity_or_reject(src, dst)
    x, y = src.T
    zero, one = np.zeros(5), np.ones(5)
    # The mapped points are linear in (a, b, tx, ty); the residual is orthogonal to each column of that map.
    jacobian = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    residual = (alignment.transform(matrix, src) - dst).T.ravel()
    sizes = np.linalg.norm(jacobian, axis=0) * np.linalg.norm(dst - dst.mean(axis=0)) + np.abs(dst).max()
    assert (np.abs(jacobian.T @ residual) <= 1e-9 * sizes * max(1.0, np.abs(src).max())).all()


@settings(max_examples=50)
@given(points, st.integers(0, 2**32 - 1), st.floats(1e-4, 1))
def test_no_other_similarity_has_a_smaller_error(src: np.ndarray, seed: int, step: float) -> None:
    assume_spread(src)
    matrix = similarity_or_reject(src, TEMPLATE)
    best = squared_error(matrix, src, TEMPLATE)
    for da, db, dx, dy in np.random.default_rng(seed).normal(size=(20, 4)) * step:
        other = matrix + np.array([[da, -db, dx], [db, da, dy]])
        assert squared_error(other, src, TEMPLATE) >= best * (1 - 1e-9) - 1e-9


@given(points, points)
def test_it_is_umeyamas_transform(src: np.ndarray, dst: np.ndarray) -> None:
    assume_spread(src)
    assume_spread(dst)
    matrix = similarity_or_reject(src, dst)
    theirs = umeyama(src, dst)
    spread = np.abs(dst - dst.mean(axis=0)).max() / np.abs(src - src.mean(axis=0)).max()
    np.testing.assert_allclose(matrix[:, :2], theirs[:, :2], rtol=0, atol=1e-9 * spread)


@given(points, scales, angles, shifts, shifts)
def test_moving_the_target_moves_the_transform(src, scale: float, angle: float, tx: float, ty: float) -> None:
    assume_spread(src)
    matrix = similarity_or_reject(src, TEMPLATE)
    move = similarity(scale, angle, tx, ty)
    moved = alignment.estimate_similarity(src, alignment.transform(move, TEMPLATE))
    expected = move[:, :2] @ matrix[:, :2]
    np.testing.assert_allclose(moved[:, :2], expected, rtol=0, atol=1e-7 * np.abs(expected).max() + 1e-9 * scale)


def similarity_or_reject(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Estimate, having put aside pairs of shapes with so little in common that rounding decides."""
    s, d = src - src.mean(axis=0), dst - dst.mean(axis=0)
    a, b = (s * d).sum(), (s[:, 0] * d[:, 1] - s[:, 1] * d[:, 0]).sum()
    assume(np.hypot(a, b) > 1e-6 * np.linalg.norm(s) * np.linalg.norm(d))
    return alignment.estimate_similarity(src, dst)
