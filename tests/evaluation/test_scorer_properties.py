"""Statements about the scorers that hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn_fast.evaluation import Detections, FddbImage, WiderImage, area_under_envelope, score_fddb, score_widerface
from mtcnn_fast.evaluation.ellipses import ellipse_runs, overlap
from mtcnn_fast.evaluation.plots import frontier
from mtcnn_fast.faces.overlap import iou_matrix

pytestmark = pytest.mark.property

CELLS = [(x, y) for x in range(0, 400, 60) for y in range(0, 400, 60)]


@st.composite
def annotations(draw):
    """Images whose faces lie apart, so that each has one best detection; some faces do not count."""
    images = []
    for i in range(draw(st.integers(1, 4))):
        cells = draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=6, unique=True))
        sizes = draw(st.lists(st.integers(12, 50), min_size=len(cells), max_size=len(cells)))
        boxes = np.array([[x, y, x + size, y + size] for (x, y), size in zip(cells, sizes, strict=True)], float)
        wanted = np.array(draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells))))
        wanted[0] = True
        images.append(WiderImage("0--Parade", f"image{i}", boxes, {"easy": wanted}))
    return images


def perfect(images, rng):
    return {image.key: Detections(image.boxes, rng.uniform(0.1, 1, len(image.boxes))) for image in images}


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(annotations(), seeds)
def test_perfect_predictions_give_1_and_ignored_faces_cost_nothing(images, rng):
    assert score_widerface(images, perfect(images, rng)).average_precision["easy"] == pytest.approx(1)


@given(annotations())
def test_equal_scores_are_no_special_case(images):
    found = {image.key: Detections(image.boxes, np.ones(len(image.boxes))) for image in images}
    assert score_widerface(images, found).average_precision["easy"] == pytest.approx(1)


@given(annotations())
def test_no_predictions_give_0(images):
    assert score_widerface(images, {image.key: Detections.none() for image in images}).average_precision["easy"] == 0


@given(annotations(), seeds)
def test_duplicates_hurt(images, rng):
    twice = {
        image.key: Detections(np.repeat(image.boxes, 2, axis=0), np.repeat(rng.uniform(0.1, 1, len(image.boxes)), 2))
        for image in images
    }
    assert score_widerface(images, twice).average_precision["easy"] < 1


@given(annotations(), seeds)
def test_order_does_not_matter(images, rng):
    found = {
        key: Detections(item.boxes + rng.normal(0, 4, item.boxes.shape), item.scores)
        for key, item in perfect(images, rng).items()
    }
    shuffled = {}
    for key in list(found)[::-1]:
        order = rng.permutation(len(found[key]))
        shuffled[key] = Detections(found[key].boxes[order], found[key].scores[order])
    first, second = score_widerface(images, found), score_widerface(images[::-1], shuffled)
    assert first.average_precision == pytest.approx(second.average_precision)


@given(annotations(), seeds, st.floats(0.1, 50), st.floats(-20, 20))
def test_the_scale_of_scores_does_not_matter(images, rng, scale, shift):
    found = perfect(images, rng)
    moved = {key: Detections(item.boxes, item.scores * scale + shift) for key, item in found.items()}
    first, second = score_widerface(images, found), score_widerface(images, moved)
    assert first.average_precision == pytest.approx(second.average_precision, abs=0.01)


@given(annotations(), seeds)
def test_false_detections_below_all_others_cost_nothing(images, rng):
    found = perfect(images, rng)
    far = np.array([[1000.0, 1000, 1040, 1040]])
    worse = {
        key: Detections(np.concatenate([item.boxes, far]), np.append(item.scores, 0.0)) for key, item in found.items()
    }
    assert score_widerface(images, worse).average_precision["easy"] == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_area_is_that_of_the_envelope(points):
    recall = np.sort([point[0] for point in points])
    precision = np.array([point[1] for point in points])
    grid = (np.arange(4000) + 0.5) / 4000
    heights = [max((p for r, p in zip(recall, precision, strict=True) if r >= x), default=0) for x in grid]
    assert area_under_envelope(precision, recall) == pytest.approx(np.mean(heights), abs=0.01)


ellipses = st.tuples(
    st.floats(3, 60), st.floats(3, 60), st.floats(-1.6, 1.6), st.floats(-20, 200), st.floats(-20, 200)
).map(np.array)


@given(ellipses)
def test_the_runs_of_an_ellipse_cover_what_its_equation_says(ellipse):
    size = (180, 160)
    runs = ellipse_runs(ellipse, size)
    mask = np.zeros((size[1], size[0]), bool)
    for row, first, last in zip(runs.rows, runs.first, runs.last, strict=True):
        mask[int(row), int(first) : int(last) + 1] = True
    assert mask.sum() == runs.area
    a, b = int(ellipse[0]), int(ellipse[1])
    angle = np.radians(round(np.degrees(ellipse[2])))
    y, x = np.mgrid[: size[1], : size[0]] - np.rint(ellipse[[4, 3]])[:, None, None]

    def inside(dx, dy, more=0.0):
        u, v = (x + dx) * np.cos(angle) + (y + dy) * np.sin(angle), (y + dy) * np.cos(angle) - (x + dx) * np.sin(angle)
        return (u / (a + more)) ** 2 + (v / (b + more)) ** 2 <= 1

    assert mask[inside(0, 0)].all()
    # A pixel that is covered has some part within the ellipse, or lies next to such a part by rounding.
    steps = np.linspace(-0.5, 0.5, 5)
    assert np.any([inside(dx, dy, 0.3) for dx in steps for dy in steps], axis=0)[mask].all()


@given(ellipses, st.lists(st.tuples(*[st.floats(-30, 230)] * 4), min_size=1, max_size=5))
def test_overlap_is_counted_in_pixels(ellipse, corners):
    size = (180, 160)
    boxes = np.sort(np.array(corners).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    runs = ellipse_runs(ellipse, size)
    shape = np.zeros((size[1], size[0]), bool)
    for row, first, last in zip(runs.rows, runs.first, runs.last, strict=True):
        shape[int(row), int(first) : int(last) + 1] = True
    for box, iou in zip(np.rint(boxes).astype(int), overlap(runs, boxes, size), strict=True):
        mask = np.zeros_like(shape)
        mask[max(box[1], 0) : max(box[3] + 1, 0), max(box[0], 0) : max(box[2] + 1, 0)] = True
        union = (shape | mask).sum()
        assert iou == pytest.approx((shape & mask).sum() / union if union else 0)


@given(st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=1, max_size=6), st.booleans())
def test_iou_is_symmetric_and_1_with_itself(corners, inclusive):
    boxes = np.sort(np.array(corners, float).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    boxes[:, 2:] += 1
    iou = iou_matrix(boxes, boxes, inclusive=inclusive)
    np.testing.assert_allclose(iou, iou.T)
    np.testing.assert_allclose(np.diag(iou), 1)
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()


@given(st.lists(ellipses, min_size=1, max_size=4), seeds)
def test_fddb_counts_add_up(shapes, rng):
    pytest.importorskip("scipy")
    images = [FddbImage(f"i{k}", 1, np.array([shape])) for k, shape in enumerate(shapes)]
    found = {}
    for image in images:
        boxes = np.sort(rng.uniform(0, 200, (3, 2, 2)), axis=1).reshape(-1, 4)
        found[image.name] = Detections(boxes, rng.uniform(0, 1, 3))
    result = score_fddb(images, found)
    total = result.discrete.true_positive_rate * result.faces + result.discrete.false_positives
    np.testing.assert_allclose(total, np.arange(1, 3 * len(images) + 1))
    assert (np.diff(result.discrete.thresholds) < 0).all()
    assert (result.continuous.true_positive_rate <= 1).all()


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=12))
def test_nothing_beats_a_point_of_the_frontier(points):
    costs, values = zip(*points, strict=True)
    best = frontier(costs, values)
    for i in best:
        assert not any(costs[j] <= costs[i] and values[j] > values[i] for j in range(len(points)))
    assert max(values) == values[best[-1]]
