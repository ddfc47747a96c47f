"""`mtcnn_fast.ops`: what is accepted, what is refused and how, and which code does the work."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mtcnn_fast import _native, ops
from mtcnn_fast.errors import ConfigError, ImageError

IMAGE = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
BOXES = np.array([[1, 1, 20, 20], [2, 2, 21, 21], [10, 5, 29, 19]], dtype=np.float32)
SCORES = np.array([0.5, 0.75, 0.25], dtype=np.float32)
SEGMENTS = np.zeros(3, dtype=np.int64)

needs_native = pytest.mark.skipif(_native.find_native()[0] is None, reason=_native.find_native()[1])


@pytest.fixture(params=["native", "numpy"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a test on both implementations."""
    if request.param == "native" and _native.find_native()[0] is None:
        pytest.skip(_native.find_native()[1])
    with monkeypatch.context() as patch:
        patch.setenv("MTCNN_FAST_DISABLE_NATIVE", "1" if request.param == "numpy" else "0")
        _native.find_native.cache_clear()
        yield request.param
    _native.find_native.cache_clear()


def test_pyramid_shapes_and_values(implementation: str) -> None:
    levels = ops.resize_pyramid(IMAGE, [0.5, 1, 2])
    # One pixel more than the scaled size, as in the authors' code.
    assert [level.shape for level in levels] == [(3, 11, 16), (3, 21, 31), (3, 41, 61)]
    assert {level.dtype for level in levels} == {np.dtype(np.float32)}
    (flat,) = ops.resize_pyramid(np.full((9, 7, 3), 255, dtype=np.uint8), [0.7])
    assert np.array_equal(flat, np.full((3, 7, 5), 0.99609375, dtype=np.float32))
    assert ops.resize_pyramid(IMAGE, []) == []


def test_crops_shapes_and_values(implementation: str) -> None:
    crops, valid = ops.crop_pad_resize(IMAGE, [[1, 1, 30, 20], [40, 1, 50, 20], [np.nan, 1, 5, 5]], 24)
    assert crops.shape == (3, 3, 24, 24)
    assert crops.dtype == np.float32
    assert valid.tolist() == [True, False, False]
    assert not crops[1:].any()
    # One pixel, twice as large: corners count from 1 and are inclusive.
    crops, valid = ops.crop_pad_resize(IMAGE, [[3.9, 2, 3, 2.1]], 2, "clip")
    assert valid.all()
    expected = (IMAGE[1, 2].astype(np.float32) - np.float32(127.5)) / np.float32(128)
    assert np.array_equal(crops[0], np.broadcast_to(expected[:, None, None], (3, 2, 2)))


def test_suppression(implementation: str) -> None:
    kept = ops.batched_nms(BOXES, SCORES, SEGMENTS, 0.5)
    assert kept.dtype == np.int64
    assert kept.tolist() == [1, 2]
    assert ops.batched_nms(BOXES, SCORES, [1, 0, 0], 0.5).tolist() == [1, 2, 0]
    # The last two share 12 x 15 pixels of the smaller one's 20 x 15.
    assert ops.batched_nms(BOXES, [np.nan, 0.1, 0.1], SEGMENTS, 0.59, "iomin").tolist() == [1]
    assert ops.batched_nms(BOXES, [np.nan, 0.1, 0.1], SEGMENTS, 0.61, "iomin").tolist() == [1, 2]


def test_boxes_without_area_or_end_raise_no_warning(implementation: str) -> None:
    boxes = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, np.inf, 5], [-3e38, -3e38, 3e38, 3e38], [1e39, 0, 1, 1]]
    assert ops.batched_nms(boxes, [1, 2, 3, 4, 5], [0] * 5, 0.5).tolist() == [4, 3, 2, 1, 0]
    assert ops.crop_pad_resize(IMAGE, boxes, 24)[1].tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("empty", [[], np.empty((0, 4)), np.empty((0, 4), dtype=np.float32)])
def test_no_boxes(implementation: str, empty: object) -> None:
    crops, valid = ops.crop_pad_resize(IMAGE, empty, 48)
    assert (crops.shape, crops.dtype, valid.shape, valid.dtype) == ((0, 3, 48, 48), np.float32, (0,), np.bool_)
    kept = ops.batched_nms(empty, [], [], 0.7)
    assert (kept.shape, kept.dtype) == ((0,), np.int64)


def test_any_layout_and_number_type(implementation: str) -> None:
    expected = ops.crop_pad_resize(IMAGE, BOXES, 24)[0]
    for image in (np.asfortranarray(IMAGE), np.repeat(IMAGE, 2, axis=1)[:, ::2], IMAGE[::-1][::-1]):
        assert np.array_equal(ops.crop_pad_resize(image, BOXES, 24)[0], expected)
    for boxes in (BOXES.astype(np.float64), BOXES.astype(np.int32), BOXES.astype(np.uint8), BOXES.tolist()):
        assert np.array_equal(ops.crop_pad_resize(IMAGE, boxes, 24)[0], expected)
    locked = IMAGE.copy()
    locked.setflags(write=False)
    assert len(ops.resize_pyramid(locked, [0.5])) == 1
    for segments in (SEGMENTS.astype(np.uint64), SEGMENTS.astype(np.int8), SEGMENTS.tolist()):
        assert ops.batched_nms(BOXES[::-1], SCORES[::-1], segments, 0.5).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE.tolist(), "image must be .* got list"),
        (IMAGE.astype(np.float32), r"got \(20, 30, 3\) float32"),
        (IMAGE[:, :, 0], r"got \(20, 30\) uint8"),
        (IMAGE[:, :, :2], r"got \(20, 30, 2\) uint8"),
        (IMAGE[:0], r"got \(0, 30, 3\) uint8"),
    ],
)
def test_images_that_are_refused(image: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        ops.resize_pyramid(image, [1.0])
    with pytest.raises(ImageError, match=message):
        ops.crop_pad_resize(image, BOXES, 24)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "1", True, None, 1e9])
def test_scales_that_are_refused(scale: object) -> None:
    with pytest.raises(ConfigError, match=r"each scale must .* got " + repr(scale).replace("(", r"\(")[:4]):
        ops.resize_pyramid(IMAGE, [1.0, scale])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": np.zeros((3, 5))}, r"boxes must be numbers of shape \(N, 4\), got shape \(3, 5\)"),
        ({"boxes": np.zeros(4)}, r"got shape \(4,\)"),
        ({"boxes": [["a", "b", "c", "d"]]}, "got <U1"),
        ({"boxes": [[1, 2, 3], [1, 2, 3, 4]]}, "got a list that makes no array"),
        ({"boxes": np.zeros((1, 4), dtype=complex)}, "got complex128"),
        ({"size": 0}, "size must be a whole number from 1 to 4096, got 0"),
        ({"size": 5000}, "got 5000"),
        ({"size": 24.0}, r"got 24.0 \(float\)"),
        ({"size": True}, r"got True \(bool\)"),
        ({"border": "wrap"}, "border must be one of zero, clip, got 'wrap'"),
        ({"num_threads": 0}, "num_threads must be a whole number from 1 to 1024, got 0"),
    ],
)
def test_crop_arguments_that_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ops.crop_pad_resize(**{"image": IMAGE, "boxes": BOXES, "size": 24, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": SCORES[:2]}, r"scores must be numbers of shape \(3,\), got shape \(2,\)"),
        ({"scores": []}, r"got shape \(0,\)"),
        ({"segments": [0.0, 0.0, 0.0]}, r"segments must be whole numbers of shape \(3,\), got float64"),
        ({"segments": [True, True, True]}, "got bool"),
        ({"segments": np.full(3, 2**63, dtype=np.uint64)}, "segments must fit int64, got 9223372036854775808"),
        ({"threshold": 1.5}, "threshold must be a number from 0 to 1, got 1.5"),
        ({"threshold": np.nan}, "got nan"),
        ({"threshold": "0.5"}, r"got '0.5' \(str\)"),
        ({"mode": "giou"}, "mode must be one of iou, iomin, got 'giou'"),
    ],
)
def test_suppression_arguments_that_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ops.batched_nms(**{"boxes": BOXES, "scores": SCORES, "segments": SEGMENTS, "threshold": 0.5, **arguments})


def test_the_fallback_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MTCNN_FAST_DISABLE_NATIVE", "1")
        _native.find_native.cache_clear()
        _native.warn_slow.cache_clear()
        with caplog.at_level(logging.WARNING, logger="mtcnn_fast"):
            for _ in range(2):
                ops.resize_pyramid(IMAGE, [0.5])
                ops.batched_nms(BOXES, SCORES, SEGMENTS, 0.5)
    _native.find_native.cache_clear()
    (record,) = caplog.records
    assert record.name == "mtcnn_fast"
    assert "MTCNN_FAST_DISABLE_NATIVE" in record.getMessage()


@needs_native
def test_a_forked_child_can_use_threads() -> None:
    script = """
import os, warnings
import numpy as np
from mtcnn_fast import ops
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, about any fork of a process with threads
image = np.zeros((300, 300, 3), dtype=np.uint8)
ops.resize_pyramid(image, [1.0, 0.5], num_threads=4)
child = os.fork()
levels = ops.resize_pyramid(image, [1.0, 0.5], num_threads=4)
if child == 0:
    os._exit(0 if len(levels) == 2 else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


@needs_native
@pytest.mark.parametrize("num_threads", [1, 2])
def test_ctrl_c_ends_a_long_call(num_threads: int) -> None:
    image = np.zeros((2000, 2000, 3), dtype=np.uint8)
    boxes = np.tile(np.array([[1, 1, 2000, 2000]], dtype=np.float32), (20000, 1))
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])

    def crop_and_be_interrupted() -> None:
        timer.start()
        ops.crop_pad_resize(image, boxes, 24, num_threads=num_threads)

    start = time.process_time()
    try:
        with pytest.raises(KeyboardInterrupt):
            crop_and_be_interrupted()
        # The whole call would compute for about a minute.
        assert time.process_time() - start < 10
    finally:
        timer.join()


@needs_native
def test_many_python_threads_at_once() -> None:
    rng = np.random.default_rng(7)
    image = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    corners = rng.uniform(-50, 300, (200, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 200, (200, 1))], axis=1).astype(np.float32)
    scores = rng.random(200).astype(np.float32)
    segments = rng.integers(0, 3, 200)

    def work(seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        threads = 1 + seed % 4
        return (
            ops.resize_pyramid(image, [0.6, 0.42, 0.3], num_threads=threads),
            ops.crop_pad_resize(image, boxes, 24, num_threads=threads)[0],
            ops.batched_nms(boxes, scores, segments, 0.5),
        )

    levels, crops, kept = work(0)
    with ThreadPoolExecutor(8) as executor:
        for other_levels, other_crops, other_kept in executor.map(work, range(64)):
            assert all(map(np.array_equal, other_levels, levels))
            assert np.array_equal(other_crops, crops)
            assert np.array_equal(other_kept, kept)
