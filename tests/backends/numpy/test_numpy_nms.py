"""Non-maximum suppression against its definition, written as loops."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from mtcnn_fast.backends.numpy import steps as ops

pytestmark = pytest.mark.property

F = np.float32

#: Few different coordinates and scores, so that ties, equal boxes and exact thresholds are common.
grid = st.integers(0, 12).map(float)
few_scores = st.sampled_from([0.5, 0.75, 1.0])
thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
modes = st.sampled_from(["iou", "iomin"])


@st.composite
def scored_boxes(draw, most=14):
    count = draw(st.integers(0, most))
    exact = draw(st.booleans())
    coordinates = grid if exact else st.floats(-50, 50, width=32)
    corners = draw(arrays(np.float32, (count, 2), elements=coordinates))
    sizes = draw(arrays(np.float32, (count, 2), elements=grid if exact else st.floats(0, 60, width=32)))
    scores = draw(arrays(np.float32, count, elements=few_scores if exact else st.floats(0, 1, width=32)))
    return np.concatenate([corners, corners + sizes], axis=1), scores


def overlap(a, b, mode):
    """Overlap of two boxes, each float32 operation in the documented order."""
    extra = F(mode == "iomin")
    areas = [F(F(F(box[2] - box[0]) + extra) * F(F(box[3] - box[1]) + extra)) for box in (a, b)]
    width = max(F(F(min(a[2], b[2]) - max(a[0], b[0])) + extra), F(0))
    height = max(F(F(min(a[3], b[3]) - max(a[1], b[1])) + extra), F(0))
    shared = F(width * height)
    whole = min(areas) if mode == "iomin" else F(F(areas[0] + areas[1]) - shared)
    return F(shared / whole) if whole else F(0)


def naive(boxes, scores, threshold, mode):
    left = sorted((i for i in range(len(boxes)) if scores[i] == scores[i]), key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if not overlap(boxes[best], boxes[i], mode) > F(threshold)]
    return kept


@given(scored_boxes(), thresholds, modes)
def test_nms_is_its_definition(given_boxes, threshold, mode):
    boxes, scores = given_boxes
    kept = ops.nms(boxes, scores, threshold, mode)
    assert kept.dtype == np.int64
    assert kept.tolist() == naive(boxes, scores, threshold, mode)


@given(scored_boxes(), thresholds, modes, st.data())
def test_scores_that_are_not_a_number_never_survive(given_boxes, threshold, mode, data):
    boxes, scores = given_boxes
    missing = data.draw(arrays(np.bool_, len(scores)))
    scores[missing] = np.nan
    kept = ops.nms(boxes, scores, threshold, mode)
    assert not missing[kept].any()
    present = np.flatnonzero(~missing)
    assert kept.tolist() == present[ops.nms(boxes[present], scores[present], threshold, mode)].tolist()


@given(scored_boxes(), thresholds, modes, st.data())
def test_batched_nms_is_nms_within_each_segment(given_boxes, threshold, mode, data):
    boxes, scores = given_boxes
    segments = data.draw(arrays(np.int64, len(scores), elements=st.integers(-1, 3)))
    expected = []
    for segment in sorted(set(segments.tolist())):
        members = np.flatnonzero(segments == segment)
        expected += [int(members[k]) for k in naive(boxes[members], scores[members], threshold, mode)]
    kept = ops.batched_nms(boxes, scores, segments, threshold, mode)
    assert kept.dtype == np.int64
    assert kept.tolist() == expected


def test_of_equal_boxes_and_scores_the_first_survives():
    boxes = np.tile(np.array([[0, 0, 10, 10]], np.float32), (5, 1))
    assert ops.nms(boxes, np.ones(5, np.float32), 0.5).tolist() == [0]


def test_overlap_at_the_threshold_survives():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert ops.nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.4999).tolist() == [0]


@pytest.mark.parametrize("mode", ["iou", "iomin"])
def test_segments_far_from_the_origin_lose_no_precision(mode):
    """Shifting segments apart, as is customary, would round these corners to whole pixels."""
    boxes = np.array([[0, 0, 10, 10], [0.3, 0.3, 10.3, 10.3]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    alone = ops.nms(boxes, scores, 0.93, mode).tolist()
    segments = np.array([2**40, 2**40])
    assert ops.batched_nms(boxes, scores, segments, 0.93, mode).tolist() == alone
