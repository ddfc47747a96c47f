"""Similarity and clusters of embeddings."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtcnn_fast import ConfigError, MissingExtraError
from mtcnn_fast.recognition import cluster, similarity

NUMBERS = st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3)


def people(*sizes: int, noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings in random order and who they are of."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    rng.shuffle(truth)
    centres = np.linalg.qr(rng.normal(size=(64, 64)))[0][: len(sizes)]
    return centres[truth] + noise * rng.normal(size=(len(truth), 64)) / 8, truth


@pytest.fixture
def scipy():
    return pytest.importorskip("scipy", reason="scipy is not installed")


def test_similarity_is_the_cosine() -> None:
    assert similarity([3, 4], [4, 3]) == pytest.approx(24 / 25)
    assert similarity([1, 0], [-2, 0]) == -1
    np.testing.assert_allclose(similarity([[1, 0], [1, 1]], [[0, 2], [5, 0], [1, 1]])[1], [0.5**0.5, 0.5**0.5, 1])


@pytest.mark.parametrize(
    ("a", "b", "shape"), [((3,), (3,), ()), ((2, 3), (3,), (2,)), ((3,), (4, 3), (4,)), ((2, 3), (4, 3), (2, 4))]
)
def test_similarity_has_an_axis_for_each_that_has_rows(a, b, shape) -> None:
    result = similarity(np.ones(a), np.ones(b))
    assert np.shape(result) == shape
    np.testing.assert_allclose(result, 1)


def test_similarity_of_none() -> None:
    assert similarity(np.empty((0, 3)), np.ones((4, 3))).shape == (0, 4)


@pytest.mark.property
@given(arrays(np.float64, (4, 5), elements=NUMBERS), st.floats(0.01, 1000))
def test_similarity_is_symmetric_bounded_and_ignores_length(embeddings: np.ndarray, factor: float) -> None:
    result = similarity(embeddings, embeddings)
    np.testing.assert_allclose(result, result.T, atol=1e-12)
    assert np.abs(result).max() <= 1
    np.testing.assert_allclose(np.diag(result), 1)
    np.testing.assert_allclose(similarity(embeddings * factor, embeddings), result, atol=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1, 2, 3], "a and b must have as many columns each, got 2 and 3"),
        ([0, 0], [1, 2], "a must hold no embedding of zeros only"),
        ([1, 2], [[1, 2], [0, 0]], "b must hold no embedding of zeros only, row 1 does"),
        ([1, np.nan], [1, 2], "a must be finite numbers"),
        ("ab", [1, 2], "a must be finite numbers"),
        (np.ones((2, 2, 2)), [1, 2], "a must be finite numbers of shape"),
    ],
)
def test_what_is_no_embedding(a, b, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        similarity(a, b)


def test_clusters_are_the_people(scipy) -> None:
    embeddings, truth = people(3, 9, 6, 1)
    labels = cluster(embeddings, 0.5)
    assert labels.dtype == np.int64
    # By falling size.
    expected = np.array([2, 0, 1, 3])[truth]
    np.testing.assert_array_equal(labels, expected)


def test_small_groups_have_no_number(scipy) -> None:
    embeddings, truth = people(3, 9, 6, 1)
    np.testing.assert_array_equal(cluster(embeddings, 0.5, min_size=4), np.array([-1, 0, 1, -1])[truth])
    assert (cluster(embeddings, 0.5, min_size=10) == -1).all()


def test_groups_of_one_size_are_numbered_as_they_appear(scipy) -> None:
    assert cluster(np.eye(4)[[2, 0, 2, 0, 1]], 0.5).tolist() == [0, 1, 0, 1, 2]


def test_a_chain_is_no_group(scipy) -> None:
    # Each is like the next (0.94), but the ends are opposite.
    angles = np.radians(np.arange(0, 181, 20))
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = cluster(chain, 0.8)
    assert labels[0] != labels[-1]
    assert 2 < len(set(labels.tolist())) < len(chain)


def test_the_threshold_counts(scipy) -> None:
    embeddings, _ = people(5, 5)
    assert set(cluster(embeddings, -1).tolist()) == {0}
    assert len(set(cluster(embeddings, 1).tolist())) == 10
    # Equal embeddings are one, whatever their length.
    assert cluster([[0.1, 0.2, 0.3]] * 3 + [[0.2, 0.4, 0.6]], 1 - 1e-9).tolist() == [0, 0, 0, 0]


@pytest.mark.property
@given(st.permutations(range(12)), st.integers(0, 99))
def test_the_order_does_not_count(order: list[int], seed: int) -> None:
    pytest.importorskip("scipy", reason="scipy is not installed")
    embeddings, _ = people(2, 4, 6, seed=seed)
    labels, shuffled = cluster(embeddings, 0.5), cluster(embeddings[order], 0.5)
    np.testing.assert_array_equal(shuffled, labels[order])


@pytest.mark.parametrize("embeddings", [[], np.empty((0, 8)), [[1.0, 2.0]]])
def test_none_and_one(scipy, embeddings) -> None:
    assert cluster(embeddings, 0.5).tolist() == [0] * len(embeddings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1, 2]], 1.5), "threshold must be a number from -1 to 1, got 1.5"),
        (([1, 2], 0.5), r"embeddings must be finite numbers of shape"),
        (([[1, np.inf]], 0.5), "embeddings must be finite numbers"),
        (([[1, 2], [0, 0]], 0.5), "embeddings must hold no embedding of zeros only, row 1 does"),
    ],
)
def test_arguments_that_are_refused(scipy, arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cluster(*arguments)
    with pytest.raises(ConfigError, match="min_size must be a whole number of at least 1, got 0"):
        cluster([[1, 2]], 0.5, min_size=0)


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.cluster.hierarchy", None)
    with pytest.raises(MissingExtraError, match=r"clustering faces needs .*pip install 'mtcnn-fast\[recognition\]'"):
        cluster([[1, 2]], 0.5)
