"""Each backend with the weights of the package that are not the default: what the specification finds, in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import WEIGHTS, DetectorConfig
from mtcnn_fast.weights import load_weights

pytestmark = [pytest.mark.contract, pytest.mark.parametrize("name", WEIGHTS[1:])]


def test_the_photo_has_one_face(make_backend, photo, name):
    (faces,) = make_backend(weights=load_weights(name)).detect([photo])
    assert len(faces) == 1
    assert faces.scores[0] > 0.9
    np.testing.assert_allclose(faces.boxes[0], [181, 62, 268, 172], atol=12)
    np.testing.assert_allclose(faces.landmarks[0], [[205, 101], [247, 104], [225, 129], [202, 139], [245, 142]], atol=8)


def test_faces_are_those_of_the_specification(make_backend, crowd, name):
    named = load_weights(name)
    (expected,) = NumpyBackend(DetectorConfig(), named).detect([crowd])
    (faces,) = make_backend(weights=named).detect([crowd])
    assert len(faces) == len(expected) >= 6
    np.testing.assert_allclose(faces.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(faces.boxes, expected.boxes, atol=0.5)
    np.testing.assert_allclose(faces.landmarks, expected.landmarks, atol=0.5)


def test_a_batch_equals_its_images(make_backend, mixed, batch_tolerance, name):
    backend = make_backend(weights=load_weights(name))
    for together, image in zip(backend.detect(mixed), mixed, strict=True):
        (alone,) = backend.detect([image])
        assert len(together) == len(alone)
        np.testing.assert_allclose(together.scores, alone.scores, rtol=0, atol=batch_tolerance)
        np.testing.assert_allclose(together.boxes, alone.boxes, rtol=0, atol=1e3 * batch_tolerance)
