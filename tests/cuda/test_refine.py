"""What happens between the networks, against numpy: filter, gather, regress, square, landmarks, padded tables."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.cuda_ops import Candidates, filter_candidates, gather_candidates, pack_faces
from support.cuda_producers import Interface
from support.native_names import compares

CHECK = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
codings = st.sampled_from(["corner", "rcnn"])


def make(count, seed=0, images=3):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-20, 200, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(4, 60, (count, 2))], axis=1).astype(np.float32)
    scores = (rng.integers(0, 12, count) / 10).astype(np.float32)
    scores[rng.random(count) < 0.1] = np.nan
    return Candidates(
        boxes,
        scores,
        rng.normal(scale=0.2, size=(count, 4)).astype(np.float32),
        rng.normal(size=(count, 5, 2)).astype(np.float32),
        np.sort(rng.integers(0, images, count)).astype(np.int32),
    )


@compares("_cuda.filter_workspace_size", "_cuda.filter_candidates", "_cuda.Candidates")
@CHECK
@given(count=st.integers(0, 3000), seed=st.integers(0, 2**32))
def test_filter_equals_numpy(device, count, seed):
    device.seed(seed)
    candidates = make(count, seed)
    rng = np.random.default_rng(seed)
    points = rng.random((count, 10), np.float32)
    valid = rng.random(count) < 0.8
    ours, selected = filter_candidates(device, candidates, points, valid, 0.7, max(count, 1))
    keep = valid & (candidates.scores > np.float32(0.7))
    np.testing.assert_array_equal(ours.landmarks, numpy_steps.place_landmarks(candidates.boxes[keep], points[keep]))
    for name in ("boxes", "scores", "offsets", "images"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(candidates, name)[keep])
    assert selected == keep.sum()


def test_filter_without_landmarks_and_with_a_count(device):
    candidates = make(100, 1)
    ours, _ = filter_candidates(device, candidates, None, np.ones(100, np.bool_), 0.5, 100, count=40)
    keep = np.flatnonzero(candidates.scores[:40] > np.float32(0.5))
    np.testing.assert_array_equal(ours.boxes, candidates.boxes[keep])


def test_filter_that_overflows(device):
    candidates = make(500, 2)
    keep = np.flatnonzero(candidates.scores > np.float32(0.1))
    ours, selected = filter_candidates(device, candidates, None, np.ones(500, np.bool_), 0.1, 10)
    assert selected == len(keep)
    np.testing.assert_array_equal(ours.boxes, candidates.boxes[keep[:10]])


@compares("_cuda.gather_candidates")
@CHECK
@given(
    count=st.integers(1, 300),
    regress=st.sampled_from(["no", "exclusive", "inclusive"]),
    coding=codings,
    square=st.booleans(),
    in_place=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_gather_equals_numpy(device, count, regress, coding, square, in_place, seed):
    candidates = make(count, seed)
    kept = np.random.default_rng(seed).permutation(count)[: max(1, count // 2)]
    inclusive = regress == "inclusive"
    ours = gather_candidates(device, candidates, None if in_place else kept, regress != "no", inclusive, coding, square)
    if in_place:
        kept = np.arange(count)
    boxes = candidates.boxes[kept]
    if regress != "no":
        boxes = numpy_steps.regress(boxes, candidates.offsets[kept], coding, int(inclusive))
    np.testing.assert_array_equal(ours.boxes, numpy_steps.square(boxes) if square else boxes)
    for name in ("scores", "offsets", "landmarks", "images"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(candidates, name)[kept])


def test_square_of_boxes_that_are_not_finite(device):
    candidates = make(4, 3)
    candidates.boxes[0, 0] = np.nan
    candidates.boxes[1, 3] = np.inf
    ours = gather_candidates(device, candidates, np.arange(4), square=True)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ours.boxes, numpy_steps.square(candidates.boxes))


@CHECK
@given(count=st.integers(0, 120), images=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_pack_sorts_each_images_faces(device, count, images, seed):
    device.seed(seed)
    candidates = make(count, seed, images)
    candidates.scores[np.isnan(candidates.scores)] = 0.5
    # Boxes that tie in score and in x1, so that the later keys decide.
    candidates.boxes[:, 0] = np.round(candidates.boxes[:, 0] / 100)
    faces = 130
    boxes, scores, landmarks, counts, wanted, overflow = pack_faces(device, candidates, images, faces)
    assert overflow == 0
    assert wanted[-1] == (counts.max() if count else 0)
    for image in range(images):
        mine = np.flatnonzero(candidates.images == image)
        mine = mine[numpy_steps.final_order(candidates.boxes[mine], candidates.scores[mine])]
        assert counts[image] == len(mine)
        for table, source in (
            (boxes, candidates.boxes),
            (scores, candidates.scores),
            (landmarks, candidates.landmarks),
        ):
            np.testing.assert_array_equal(table[image, : len(mine)], source[mine])
            assert not table[image, len(mine) :].any()


@compares("_cuda.pack_faces", "_cuda.LISTS")
def test_pack_keeps_the_best_of_more_faces_than_fit(device):
    candidates = make(60, 5, images=2)
    candidates.scores[np.isnan(candidates.scores)] = 0
    boxes, scores, _, counts, wanted, overflow = pack_faces(device, candidates, 3, 4)
    np.testing.assert_array_equal(counts, [4, 4, 0])
    assert overflow == 2
    assert wanted == [0, 0, 0, max((candidates.images == image).sum() for image in (0, 1))]
    for image in (0, 1):
        mine = np.flatnonzero(candidates.images == image)
        mine = mine[numpy_steps.final_order(candidates.boxes[mine], candidates.scores[mine])][:4]
        np.testing.assert_array_equal(boxes[image], candidates.boxes[mine])
        np.testing.assert_array_equal(scores[image], candidates.scores[mine])
    assert not boxes[2].any()


def test_pack_leaves_out_what_is_not_finite(device):
    candidates = make(40, 7, images=2)
    candidates.scores[np.isnan(candidates.scores)] = 0.5
    candidates.boxes[0, 2] = np.nan
    candidates.boxes[9, 0] = np.inf
    candidates.landmarks[20, 4, 1] = -np.inf
    boxes, _, _, counts, _, overflow = pack_faces(device, candidates, 2, 40)
    usable = np.delete(np.arange(40), [0, 9, 20])
    assert overflow == 0
    for image in (0, 1):
        mine = usable[candidates.images[usable] == image]
        mine = mine[numpy_steps.final_order(candidates.boxes[mine], candidates.scores[mine])]
        assert counts[image] == len(mine)
        np.testing.assert_array_equal(boxes[image, : len(mine)], candidates.boxes[mine])


@pytest.mark.parametrize(("wanted", "short"), [((5, 6, 7), 0), ((6, 6, 7), 1), ((5, 7, 8), 2), ((9, 9, 9), 3)])
@pytest.mark.parametrize("count", [0, 12])
def test_pack_counts_the_lists_that_were_too_short(device, count, wanted, short):
    """Also where nothing is left to pack."""
    candidates = make(count, 8, images=1)
    candidates.scores[np.isnan(candidates.scores)] = 0.5
    packed = pack_faces(device, candidates, 1, 40, wanted, limits=(5, 6, 7))
    assert packed.overflow == short
    assert packed.wanted[:3] == list(wanted)


def test_arrays_without_elements_may_have_no_address(device):
    """As torch's have none."""
    module = device.module

    def empty(shape, dtype):
        return Interface(device.empty(shape, dtype), data=(0, False))

    shapes = ((0, 4), (0,), (0, 4), (0, 5, 2), (0,))
    dtypes = (np.float32, np.float32, np.float32, np.float32, np.int32)
    nothing = module.Candidates(*map(empty, shapes, dtypes))
    out = module.Candidates(
        *(device.empty((3, *shape[1:]), dtype) for shape, dtype in zip(shapes, dtypes, strict=True))
    )
    zero, count, selected = device.array([0], np.int32), device.empty(1, np.int32), device.empty(1, np.int32)
    space = device.empty(module.filter_workspace_size(0), np.uint8)
    points, valid = empty((0, 10), np.float32), empty((0,), np.bool_)
    module.filter_candidates(nothing, points, valid, zero, 0.5, out, count, selected, space, stream=0)
    assert count.numpy().tolist() == selected.numpy().tolist() == [0]
    module.gather_candidates(nothing, empty((0,), np.int64), zero, out, count, None, stream=0)
    assert count.numpy().tolist() == [0]


@pytest.mark.parametrize("capacity", [0, 1, 29])
def test_gather_keeps_the_first_that_fit(device, capacity):
    candidates = make(30, 9)
    kept = np.arange(30)[::-1].copy()
    ours = gather_candidates(device, candidates, kept, capacity=capacity)
    np.testing.assert_array_equal(ours.boxes, candidates.boxes[kept[:capacity]])


def test_missing_arrays_are_named(device):
    candidates = make(3)
    module = device.module
    boxes, one = device.array(candidates.boxes), device.array([1], np.int32)
    tables = [device.empty(shape, np.float32) for shape in ((1, 2, 4), (1, 2), (1, 2, 5, 2))]
    with pytest.raises(ValueError, match="in must have scores, landmarks and images"):
        module.pack_faces(module.Candidates(boxes), one, *tables, *[None] * 3, limits=(0, 0, 0), stream=0)
    out = module.Candidates(device.empty((1, 4), np.float32), scores=device.empty(1, np.float32))
    with pytest.raises(ValueError, match="in must have every array that out has"):
        module.gather_candidates(module.Candidates(boxes), device.array([0]), one, out, None, None, stream=0)
