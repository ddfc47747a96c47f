"""`batched_nms` against numpy: the same keep-list in the same order."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.cuda_ops import nms
from support.native_names import compares

CHECK = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-42], np.float32)


def candidates(count, seed=0, spread=150.0, segments=1, special=0.1):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(4, 50, (count, 2))], axis=1).astype(np.float32)
    # Few distinct scores, so that there are ties.
    scores = (rng.integers(0, 20, count) / 20).astype(np.float32)
    odd = rng.random(count) < special
    scores[odd] = rng.choice(SPECIAL, odd.sum())
    return boxes, scores, rng.integers(0, segments, count).astype(np.int32)


def check(device, boxes, scores, segments, threshold, mode="iou", segment_count=1):
    kept = nms(device, boxes, scores, segments, threshold, mode, segment_count)
    with np.errstate(invalid="ignore", over="ignore"):
        reference = numpy_steps.batched_nms(boxes, scores, segments.astype(np.int64), threshold, mode)
    np.testing.assert_array_equal(kept, reference)
    return kept


@CHECK
@given(
    count=st.integers(1, 150),
    segments=st.integers(1, 7),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    mode=st.sampled_from(["iou", "iomin"]),
    spread=st.sampled_from([5.0, 60.0, 500.0]),
    seed=st.integers(0, 2**32),
)
def test_equals_numpy(device, count, segments, threshold, mode, spread, seed):
    device.seed(seed)
    check(device, *candidates(count, seed, spread, segments), threshold, mode, segments)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 2047, 2048, 2049])
def test_sizes_around_the_tiles(device, count):
    check(device, *candidates(count, count, 400.0, 3), 0.5, "iou", 3)


def test_many_boxes_that_take_no_part(device):
    """Half of the scores are NaN or infinite."""
    boxes, scores, segments = candidates(9000, 9, 3000.0, 11, special=0.5)
    check(device, boxes, scores, segments, 0.5, "iou", 11)


def test_one_box_keeps_itself(device):
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    np.testing.assert_array_equal(check(device, boxes, np.ones(1, np.float32), np.zeros(1, np.int32), 0.5), [0])


def test_no_boxes(device):
    assert len(nms(device, np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32), 0.5)) == 0


@compares("_cuda.batched_nms", "_cuda.batched_nms_workspace_size")
def test_all_scores_equal_keeps_the_order(device):
    boxes = np.arange(100, dtype=np.float32)[:, None] * 100 + np.array([0, 0, 50, 50], np.float32)
    kept = check(device, boxes, np.ones(100, np.float32), np.zeros(100, np.int32), 0.5)
    np.testing.assert_array_equal(kept, np.arange(100))


def test_nan_never_survives_and_infinity_does(device):
    boxes = np.arange(3, dtype=np.float32)[:, None] * 100 + np.array([0, 0, 50, 50], np.float32)
    kept = check(device, boxes, np.array([np.nan, np.inf, -np.inf], np.float32), np.zeros(3, np.int32), 0.5)
    np.testing.assert_array_equal(kept, [1, 2])


def test_both_zeros_tie(device):
    boxes = np.tile(np.array([0, 0, 10, 10], np.float32), (2, 1))
    np.testing.assert_array_equal(
        check(device, boxes, np.array([-0.0, 0.0], np.float32), np.zeros(2, np.int32), 0.5), [0]
    )


def test_boxes_without_area_or_inside_out(device):
    boxes, scores, segments = candidates(60, 4)
    boxes[::3, 2:] = boxes[::3, :2]
    boxes[1::5] = boxes[1::5][:, [2, 3, 0, 1]]
    boxes[7, 2] = np.nan
    boxes[8, 0] = -np.inf
    for mode in ("iou", "iomin"):
        check(device, boxes, scores, segments, 0.3, mode)


def test_empty_segments_between_full_ones(device):
    boxes, scores, _ = candidates(40, 6)
    check(device, boxes, scores, np.where(np.arange(40) % 2, 2, 900).astype(np.int32), 0.5, "iou", 1000)


def test_count_on_the_device_limits_the_list(device):
    boxes, scores, segments = candidates(50, 7)
    kept = nms(device, boxes, scores, segments, 0.5, count=20)
    np.testing.assert_array_equal(kept, numpy_steps.batched_nms(boxes[:20], scores[:20], np.zeros(20, np.int64), 0.5))
    assert len(nms(device, boxes, scores, segments, 0.5, count=0)) == 0


def test_segments_out_of_range_are_left_out(device):
    boxes, scores, _ = candidates(30, 8, special=0)
    segments = np.where(np.arange(30) < 10, 0, np.where(np.arange(30) < 20, -1, 5)).astype(np.int32)
    assert (nms(device, boxes, scores, segments, 0.5, segment_count=5) < 10).all()


def test_too_small_a_workspace_is_refused(device):
    with pytest.raises(ValueError, match=r"workspace must have at least \d+ bytes, got 512"):
        nms(device, *candidates(50, 7), 0.5, workspace_size=512)


@pytest.mark.parametrize("count", [4096, 4500, 7001])
def test_segments_that_exceed_the_shared_memory(device, count):
    """Two tiles, an odd run to merge, and a short last tile; most boxes are dropped, so that few are compared."""
    boxes, scores, _ = candidates(count, count, 60.0)
    check(device, boxes, scores, np.zeros(count, np.int32), 0.3)


def test_scattered_segments_with_one_that_exceeds_the_shared_memory(device):
    """Its keys lie in the workspace between those of segments whose boxes alternate with its own."""
    boxes, scores, _ = candidates(4000, 15, 60.0)
    segments = np.where(np.arange(4000) % 4 == 1, np.arange(4000) % 7, 7).astype(np.int32)
    check(device, boxes, scores, segments, 0.3, "iou", 8)


def test_more_segments_than_one_sum_spans(device):
    """Counts are summed up by 1,024 segments: the places of those after use these sums."""
    boxes, scores, _ = candidates(500, 16, 100.0)
    segments = np.random.default_rng(16).choice([0, 1023, 1024, 1025, 2047, 2048, 2500], 500).astype(np.int32)
    check(device, boxes, scores, segments, 0.5, "iou", 2501)


@pytest.mark.slow
def test_100_000_boxes(plain_device):
    """Segments of 2,500 boxes, shuffled; most boxes are far from each other."""
    count = 100_000
    boxes, scores, segments = candidates(count, 3, 60_000.0, 40, special=0.01)
    kept = nms(plain_device, boxes, scores, segments, 0.3, segment_count=40)
    np.testing.assert_array_equal(kept, numpy_steps.batched_nms(boxes, scores, segments.astype(np.int64), 0.3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": -0.1}, "threshold must be at least 0"),
        ({"threshold": float("nan")}, "threshold must be at least 0"),
        ({"segment_count": 0}, "segment_count must be at least 1, got 0"),
    ],
)
def test_arguments_are_checked(device, arguments, message):
    boxes, scores, segments = candidates(3)
    with pytest.raises(ValueError, match=message):
        nms(device, boxes, scores, segments, **{"threshold": 0.5, **arguments})
