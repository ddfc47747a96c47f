"""What every backend returns: shapes and types, order, limits, and nothing where there is nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces.trace import REASONS, STAGES, STEPS, StageTrace

pytestmark = pytest.mark.contract


def check_form(faces, image):
    """Assert what holds for every result."""
    count = len(faces)
    assert faces.boxes.shape == (count, 4)
    assert faces.scores.shape == (count,)
    assert faces.landmarks.shape == (count, 5, 2)
    assert faces.boxes.dtype == faces.scores.dtype == faces.landmarks.dtype == np.float32
    assert faces.image_size == (image.shape[1], image.shape[0])
    assert np.isfinite(faces.boxes).all()
    assert np.isfinite(faces.landmarks).all()
    assert ((faces.scores >= 0) & (faces.scores <= 1)).all()
    keys = [(-score, *box) for score, box in zip(faces.scores.tolist(), faces.boxes.tolist(), strict=True)]
    assert keys == sorted(keys)


def test_the_photo_has_one_face(make_backend, photo):
    (faces,) = make_backend().detect([photo])
    check_form(faces, photo)
    assert len(faces) == 1
    assert faces.scores[0] > 0.99
    np.testing.assert_allclose(faces.boxes[0], [181, 62, 268, 172], atol=8)
    np.testing.assert_allclose(faces.landmarks[0], [[205, 101], [247, 104], [225, 129], [202, 139], [245, 142]], atol=5)


def test_a_crowd_is_found_in_order(make_backend, crowd):
    (faces,) = make_backend().detect([crowd])
    check_form(faces, crowd)
    assert len(faces) >= 6


def test_every_cell_as_a_proposal(make_backend, photo):
    image = np.ascontiguousarray(photo[60:180:2, 180:280:2])
    (faces,) = make_backend(thresholds=(0, 0, 0)).detect([image])
    check_form(faces, image)
    assert len(faces) > 1


def test_no_image_gives_no_result(make_backend):
    assert make_backend().detect([]) == []


@pytest.mark.parametrize(
    "shape", [(1, 1), (11, 11), (12, 12), (20, 20), (24, 48), (1, 300), (300, 1), (13, 400), (1, 20000)]
)
def test_tiny_and_thin_images_are_empty(make_backend, shape):
    noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for image in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8), noise):
        (faces,) = make_backend().detect([image])
        check_form(faces, image)
        assert len(faces) == 0


@pytest.mark.parametrize("shape", [(12, 12), (13, 90), (40, 12), (1, 1), (1, 64), (64, 1)])
def test_small_images_with_everything_accepted(make_backend, shape):
    """At min_face_size 12 the first scale is 1; the smallest images have exactly one cell, or none."""
    noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    (faces,) = make_backend(min_face_size=12, thresholds=(0, 0, 0)).detect([noise])
    check_form(faces, noise)
    assert bool(len(faces)) == (min(shape) >= 12)


def test_unreachable_thresholds_give_an_empty_result(make_backend, photo):
    for thresholds in ((1, 0.7, 0.7), (0.6, 1, 0.7), (0.6, 0.7, 1)):
        (faces,) = make_backend(thresholds=thresholds).detect([photo])
        check_form(faces, photo)
        assert len(faces) == 0


def test_max_faces_keeps_the_best(make_backend, crowd):
    (full,) = make_backend().detect([crowd])
    for count in (1, 2, len(full), len(full) + 1):
        (faces,) = make_backend(max_faces=count).detect([crowd])
        assert faces == full[:count]


def test_face_size_limits(make_backend, photo):
    assert len(make_backend(max_face_size=40).detect([photo])[0]) == 0
    assert len(make_backend(min_face_size=60, max_face_size=200).detect([photo])[0]) == 1
    assert len(make_backend(min_face_size=300).detect([photo])[0]) == 0


def test_max_face_size_above_every_scale_changes_nothing(make_backend, crowd):
    (full,) = make_backend().detect([crowd])
    (faces,) = make_backend(max_face_size=300).detect([crowd])
    assert faces == full


def test_timings_have_the_common_names(make_backend, crowd):
    backend = make_backend()
    (faces,) = backend.detect([crowd], profile=True)
    assert set(faces.timings) <= set(STAGES)
    assert all(seconds >= 0 for seconds in faces.timings.values())
    assert sum(faces.timings.values()) > 0
    assert backend.detect([crowd])[0].timings is None


def test_a_trace_does_not_change_the_faces(make_backend, crowd):
    backend = make_backend()
    (plain,) = backend.detect([crowd])
    (faces,) = backend.detect([crowd], trace=True)
    assert faces == plain
    assert plain.trace is None
    assert [step.step for step in faces.trace] == list(STEPS)
    np.testing.assert_array_equal(faces.trace[-1].boxes, faces.boxes)
    np.testing.assert_array_equal(faces.trace[-1].scores, faces.scores)


@pytest.mark.parametrize("settings", [{}, {"max_faces": 2}, {"border": "clip", "thresholds": (0.3, 0.3, 0.3)}], ids=str)
def test_traces_say_what_the_specification_says(make_backend, crowd, photo, weights, settings):
    """Kept and dropped candidates of each step, and the reasons; scores may round differently, and few candidates."""
    small = np.ascontiguousarray(photo[40:200, 150:300])
    images = [crowd, np.zeros((40, 40, 3), np.uint8), small]
    reference = NumpyBackend(DetectorConfig(**settings), weights)
    for ours, expected in zip(
        make_backend(**settings).detect(images, trace=True), reference.detect(images, trace=True), strict=True
    ):
        steps = {step.step: step for step in expected.trace}
        for step in ours.trace:
            same = steps.pop(step.step, StageTrace(step.step, step.boxes[:0], step.scores[:0]))
            allowed = 2 + len(same.boxes) // 50
            assert abs(len(step.boxes) - len(same.boxes)) <= allowed
            counts, wanted = Counter(step.dropped.reasons), Counter(same.dropped.reasons)
            assert set(counts) <= set(REASONS)
            for reason in REASONS:
                assert abs(counts[reason] - wanted[reason]) <= allowed + wanted[reason] // 50
            dropped = step.dropped
            assert len(dropped.boxes) == len(dropped.scores) == len(dropped.reasons) == len(dropped.by)
            better = np.isfinite(dropped.by).all(axis=1)
            assert better.tolist() == [reason == "overlap" for reason in dropped.reasons]
        # A step that nothing reached may be left out.
        assert all(not len(step.boxes) for step in steps.values())


def test_warmup_and_name(make_backend, backend_name, photo):
    backend = make_backend()
    backend.warmup()
    assert backend.name.split(":")[0] == backend_name.partition("[")[0].split(":")[0]
    assert len(backend.detect([photo])[0]) == 1
