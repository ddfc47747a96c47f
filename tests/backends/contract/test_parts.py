"""The cascade in two parts: what P-Net proposes, and the faces in given boxes, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError

pytestmark = pytest.mark.contract

#: Scores of networks that sum in another order; boxes that such a score regresses, in sides of the box.
SCORES, BOXES = 2e-5, 1e-3


def assert_near(ours, reference):
    """Assert that two results have the same faces, but for rounding."""
    assert len(ours) == len(reference)
    assert ours.image_size == reference.image_size
    side = 1 + np.abs(reference.boxes).max(initial=0)
    np.testing.assert_allclose(ours.scores, reference.scores, rtol=0, atol=SCORES)
    np.testing.assert_allclose(ours.boxes, reference.boxes, rtol=0, atol=BOXES * side)
    np.testing.assert_allclose(ours.landmarks, reference.landmarks, rtol=0, atol=BOXES * side)


def random_boxes(count, width, height, seed=0):
    """Boxes of many sizes and shapes, around faces, at borders and outside the image."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(-0.3, 1.1, (count, 2)) * [width, height]
    sizes = generator.uniform(0.05, 0.6, (count, 2)) * [width, height]
    return np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)


@pytest.mark.parametrize("settings", [{}, {"max_face_size": 60}, {"thresholds": (0.3, 0.7, 0.7)}], ids=str)
def test_proposals_are_those_of_a_trace(make_backend, mixed, batch_tolerance, settings):
    backend = make_backend(**settings)
    proposals = backend.propose(mixed)
    assert len(proposals) == len(mixed)
    assert sum(len(boxes) for boxes, _ in proposals) > 10
    for image, (boxes, scores) in zip(mixed, proposals, strict=True):
        (faces,) = backend.detect([image], trace=True)
        step = next((step for step in faces.trace if step.step == "proposals"), None)
        expected = np.empty((0, 4), np.float32) if step is None else step.boxes
        assert boxes.dtype == scores.dtype == np.float32
        assert boxes.shape == (len(scores), 4) == expected.shape
        np.testing.assert_allclose(boxes, expected, rtol=0, atol=1000 * batch_tolerance)
        if step is not None:
            np.testing.assert_allclose(scores, step.scores, rtol=0, atol=batch_tolerance)
        np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1], rtol=1e-4, atol=1e-3)


def test_both_parts_make_a_detection(make_backend, mixed):
    backend = make_backend()
    found = backend.refine(mixed, [boxes for boxes, _ in backend.propose(mixed)])
    for ours, expected in zip(found, backend.detect(mixed), strict=True):
        assert_near(ours, expected)
    assert backend.propose([]) == backend.refine([], []) == []


@pytest.mark.parametrize("settings", [{}, {"border": "clip"}, {"max_faces": 1}], ids=str)
def test_given_boxes_as_in_the_specification(make_backend, weights, crowd, photo, settings):
    settings = {"thresholds": (0.6, 0.2, 0.2), **settings}
    images = [crowd, photo, photo[:90, :40].copy()]
    numpy = NumpyBackend(DetectorConfig(**settings), weights)
    boxes = []
    for seed, (image, (proposals, _)) in enumerate(zip(images, numpy.propose(images), strict=True)):
        shifts = np.random.default_rng(seed).uniform(-0.1, 0.1, proposals.shape)
        moved = (proposals + shifts * (proposals[:, 2:] - proposals[:, :2]).repeat(2, 1)).astype(np.float32)
        boxes.append(np.concatenate([random_boxes(20, image.shape[1], image.shape[0], seed), moved]))
    ours, reference = make_backend(**settings).refine(images, boxes), numpy.refine(images, boxes)
    assert sum(map(len, reference)) >= 2
    for faces, expected in zip(ours, reference, strict=True):
        assert_near(faces, expected)


def test_boxes_that_nothing_can_be_seen_in(make_backend, photo):
    """Outside the image, without area, beyond float32 when squared; and a good one, which is not a square."""
    boxes = np.array(
        [
            [-90, -90, -10, -10],
            [600, 20, 700, 90],
            [40, 40, 40, 40],
            [90, 90, 20, 20],
            [-3e38, -3e38, 3e38, 3e38],
            [190, 60, 260, 175],
        ],
        np.float32,
    )
    backend = make_backend()
    (faces,) = backend.refine([photo], [boxes])
    (alone,) = backend.refine([photo], [boxes[-1:]])
    assert len(faces) == len(alone) == 1
    assert_near(faces, alone)
    np.testing.assert_allclose(faces.boxes[0], [181, 62, 268, 172], atol=15)
    (nothing,) = backend.refine([photo], [np.empty((0, 4), np.float32)])
    assert nothing.boxes.shape == (0, 4)
    assert nothing.landmarks.shape == (0, 5, 2)
    assert nothing.image_size == (512, 512)


def test_a_batch_of_given_boxes_equals_its_images(make_backend, mixed, batch_tolerance):
    backend = make_backend(thresholds=(0.6, 0.2, 0.2))
    boxes = [random_boxes(20, image.shape[1], image.shape[0], seed) for seed, image in enumerate(mixed)]
    together = backend.refine(mixed, boxes)
    for image, given, faces in zip(mixed, boxes, together, strict=True):
        (alone,) = backend.refine([image], [given])
        if batch_tolerance:
            assert_near(faces, alone)
        else:
            assert faces == alone


def test_one_list_of_boxes_for_each_image(make_backend, photo):
    with pytest.raises(ConfigError, match=r"^boxes must have one entry for each of the 1 images, got 2$"):
        make_backend().refine([photo], [np.empty((0, 4), np.float32)] * 2)


def test_what_a_backend_declares(make_backend, backend_name):
    backend = make_backend()
    assert (backend.on_tensors is not None) == (backend_name in ("torch:cpu", "cuda"))
    assert backend.on_tensors in (None, backend)
