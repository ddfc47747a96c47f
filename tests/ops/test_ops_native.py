"""The native operations equal the numpy ones to the last bit."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra.numpy import arrays

from mtcnn_fast._native import find_native
from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.native_names import compares

if find_native()[0] is None:
    pytest.skip(find_native()[1], allow_module_level=True)

from mtcnn_fast import _cpu

pytestmark = pytest.mark.property

#: The best, and each by name.
ISAS = ("", *_cpu.available_isas())
threads = st.integers(1, 3)


def random_image(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def check_resize(image: np.ndarray, sizes: list[tuple[int, int]], num_threads: int) -> None:
    integral = numpy_steps.integral_image(image)
    expected = [numpy_steps.resize(integral, height, width) for height, width in sizes]
    for isa in ISAS:
        levels = _cpu.resize_pyramid(image, sizes, num_threads, isa)
        assert len(levels) == len(sizes)
        for level, reference in zip(levels, expected, strict=True):
            assert np.array_equal(level, reference)


@compares("_cpu.resize_pyramid")
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.lists(st.tuples(st.integers(1, 100), st.integers(1, 100)), max_size=4),
    threads,
    st.integers(0, 2**32 - 1),
)
def test_resize(height: int, width: int, sizes: list[tuple[int, int]], num_threads: int, seed: int) -> None:
    check_resize(random_image(height, width, seed), sizes, num_threads)


@pytest.mark.parametrize(
    ("height", "width", "sizes"),
    [
        (256, 3, [(1, 1), (1, 3)]),
        (257, 3, [(1, 1), (1, 3)]),  # the tallest bin whose sums fit 16 bits
        (258, 3, [(1, 1), (1, 3)]),
        (5000, 4, [(19, 3), (20, 1), (1, 1)]),
        (3, 5000, [(1, 1), (2, 7), (3, 19)]),
        (20, 20000, [(13, 12500), (1, 1)]),
        (2903, 2903, [(1, 1), (1, 2)]),  # a sum of more than 31 bits, in white
        (4105, 4105, [(1, 1), (1, 2)]),  # and of more than 32
    ],
)
@pytest.mark.parametrize("white", [False, True])
def test_large_bins(height: int, width: int, sizes: list[tuple[int, int]], white: bool) -> None:
    image = np.full((height, width, 3), 255, dtype=np.uint8) if white else random_image(height, width, 5)
    check_resize(image, sizes, 2)


coordinates = st.one_of(
    st.floats(-40, 80, width=32),
    st.integers(-40, 80).map(float),
    st.floats(width=32),
    st.sampled_from([0.0, -0.5, 1.0, -1.0, 1e10, -1e10, 2.0**31]),
)


@compares("_cpu.crop_pad_resize")
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=coordinates),
    st.sampled_from([1, 5, 24, 48]),
    st.booleans(),
    threads,
)
def test_crops(height: int, width: int, boxes: np.ndarray, size: int, zero: bool, num_threads: int) -> None:
    image = random_image(height, width, 3)
    expected, expected_valid = numpy_steps.crop(
        numpy_steps.integral_image(image), boxes, size, "zero" if zero else "clip"
    )
    for isa in ISAS:
        crops, valid = _cpu.crop_pad_resize(image, boxes, size, zero, num_threads, isa)
        assert np.array_equal(valid, expected_valid)
        assert np.array_equal(crops, expected)


def check_nms(boxes: np.ndarray, scores: np.ndarray, segments: np.ndarray, threshold: float) -> None:
    for mode in ("iou", "iomin"):
        with np.errstate(all="ignore"):
            expected = numpy_steps.batched_nms(boxes, scores, segments, threshold, mode)
        assert np.array_equal(_cpu.batched_nms(boxes, scores, segments, threshold, mode == "iomin"), expected)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(0, 40))
    coordinate = draw(
        st.sampled_from(
            [
                st.integers(0, 12).map(float),
                st.floats(0, 100, width=32),
                st.floats(0, 1, width=32),
                st.floats(width=32),
                st.sampled_from([0.0, 1.0, 1e-30, 1e19, 3e38, 2.0**30, 2.0**30 + 128]),
            ]
        )
    )
    boxes = draw(arrays(np.float32, (count, 4), elements=coordinate))
    if draw(st.booleans()):
        boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    score = draw(st.sampled_from([st.sampled_from([0.5, 1.0, 0.0, -0.0]), st.floats(width=32)]))
    scores = draw(arrays(np.float32, count, elements=score))
    segments = draw(arrays(np.int64, count, elements=st.sampled_from([0, 0, 1, -(2**63), 2**63 - 1])))
    return boxes, scores, segments


@compares("_cpu.batched_nms")
@given(candidates(), st.sampled_from([0.0, 1e-30, 0.3, 0.5, 0.7, 1.0]))
@example((np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.zeros(3, np.int64)), 0.5)
def test_nms(given_candidates: tuple[np.ndarray, np.ndarray, np.ndarray], threshold: float) -> None:
    check_nms(*given_candidates, threshold)


@pytest.mark.parametrize("spread", [1.0, 300.0, 3000.0, 1e8])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
def test_nms_of_many_boxes_of_many_sizes(spread: float, threshold: float) -> None:
    rng = np.random.default_rng(11)
    count = 2500
    centres = rng.uniform(0, spread, (count, 2))
    half = spread * 10 ** rng.uniform(-3, -0.5, (count, 1)) * rng.uniform(0.9, 1.1, (count, 2))
    boxes = np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
    scores = rng.choice(np.linspace(0.6, 1, 100, dtype=np.float32), count)
    check_nms(boxes, scores, rng.integers(0, 2, count), threshold)


def test_nms_of_100000_boxes() -> None:
    # Clusters 100 pixels apart: their boxes overlap only each other, so that the expected survivors of each are found
    # by comparing few pairs.
    rng = np.random.default_rng(13)
    clusters, members = 2000, 50
    cluster = np.repeat(np.arange(clusters), members)
    corners = np.stack([cluster % 50, cluster // 50], axis=1) * 100 + rng.uniform(0, 20, (clusters * members, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(15, 60, (clusters * members, 1))], axis=1).astype(np.float32)
    scores = rng.random(clusters * members).astype(np.float32)
    each = [
        members * i + numpy_steps.nms(boxes[cluster == i], scores[cluster == i], 0.5) for i in range(0, clusters, 20)
    ]
    kept = _cpu.batched_nms(boxes, scores, np.zeros(len(boxes), np.int64), 0.5, False)
    assert np.all(np.diff(scores[kept]) <= 0)
    assert sorted(kept[cluster[kept] % 20 == 0]) == sorted(np.concatenate(each))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, b, s: _cpu.resize_pyramid(i.astype(np.int8), [(1, 1)]), r"image must be .* got \(4, 5, 3\) int8"),
        (lambda i, b, s: _cpu.resize_pyramid(i[:, ::2], [(1, 1)]), r"got \(4, 3, 3\) uint8, not C-contiguous"),
        (lambda i, b, s: _cpu.resize_pyramid(i[:0], [(1, 1)]), r"image must have pixels, got \(0, 5, 3\)"),
        (lambda i, b, s: _cpu.resize_pyramid(i, [(1, 0)]), "each width in sizes must be from 1 to .* got 0"),
        (lambda i, b, s: _cpu.resize_pyramid(i, [(-1, 1)]), "each height in sizes must be from 1 to .* got -1"),
        (lambda i, b, s: _cpu.resize_pyramid(i, [(1, 1)], 0), "num_threads must be from 1 to 1024, got 0"),
        (lambda i, b, s: _cpu.resize_pyramid(i, [(1, 1)], 1, "mmx"), "instruction set must be one .* got 'mmx'"),
        (lambda i, b, s: _cpu.crop_pad_resize(i, b, 24, True, 1, "mmx"), "instruction set must be one .* got 'mmx'"),
        (lambda i, b, s: _cpu.resize_pyramid(i, [(1, 1)], 1025), "num_threads must be from 1 to 1024, got 1025"),
        (lambda i, b, s: _cpu.crop_pad_resize(i, b[:, :3], 24, True), r"boxes must be .* got \(2, 3\) float32"),
        (lambda i, b, s: _cpu.crop_pad_resize(i, b, 0, True), "size must be from 1 to 4096, got 0"),
        (lambda i, b, s: _cpu.batched_nms(b, b[0], s, 0.5, True), r"scores must be .* got \(4,\) float32"),
        (lambda i, b, s: _cpu.batched_nms(b, b[:, 0].copy(), b[:, 0], 0.5, True), r"segments must be .* float32"),
        (lambda i, b, s: _cpu.batched_nms(b, b[:, 0].copy(), s, -0.5, True), "threshold must be at least 0, got -0.5"),
        (lambda i, b, s: _cpu.batched_nms(b, b[:, 0].copy(), s, np.nan, True), "threshold must be at least 0, got nan"),
    ],
)
def test_wrong_arguments_are_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(np.zeros((4, 5, 3), np.uint8), np.zeros((2, 4), np.float32), np.zeros(2, np.int64))
