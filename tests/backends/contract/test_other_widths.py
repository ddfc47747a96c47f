"""Each backend with an R-Net and O-Net of other widths: what the specification finds, in any batch, or a refusal."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast import ConfigError
from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import load_weights, widths_of
from support.variants import EMULATED
from support.widths import NARROW, TWICE, WIDE, random_weights, save_folder

pytestmark = pytest.mark.contract

#: Random networks find a face in nearly anything or in nothing: almost all of what P-Net is sure of passes.
SETTINGS = {"thresholds": (0.9, 0.001, 0.001), "min_face_size": 40}


@pytest.fixture(scope="module", params=[NARROW, WIDE, TWICE], ids=["narrow", "wide", "twice"])
def other(request, tmp_path_factory):
    weights = load_weights(save_folder(random_weights(request.param, seed=1), tmp_path_factory.mktemp("weights")))
    assert widths_of("r", weights.rnet) == request.param["r"]
    assert widths_of("o", weights.onet) == request.param["o"]
    return weights


@pytest.fixture
def backend(backend_name, make_backend, other):
    """The backend, or None where it refuses these widths in words: its kernels have the standard ones."""
    if backend_name not in {"cuda", EMULATED}:
        return make_backend(DetectorConfig(**SETTINGS), weights=other)
    with pytest.raises(ConfigError, match=r"the device 'cuda' runs an R-Net of the widths \(28, 48, 64, 128\)"):
        make_backend(DetectorConfig(**SETTINGS), weights=other)
    return None


def test_faces_are_those_of_the_specification(backend, crowd, other):
    if backend is None:
        return
    (expected,) = NumpyBackend(DetectorConfig(**SETTINGS), other).detect([crowd])
    (faces,) = backend.detect([crowd])
    assert len(faces) == len(expected) >= 5
    np.testing.assert_allclose(faces.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(faces.boxes, expected.boxes, atol=0.1)
    np.testing.assert_allclose(faces.landmarks, expected.landmarks, atol=0.1)


def test_a_batch_equals_its_images(backend, mixed, batch_tolerance):
    if backend is None:
        return
    for together, image in zip(backend.detect(mixed), mixed, strict=True):
        (alone,) = backend.detect([image])
        assert len(together) == len(alone)
        np.testing.assert_allclose(together.scores, alone.scores, rtol=0, atol=batch_tolerance)
        np.testing.assert_allclose(together.boxes, alone.boxes, rtol=0, atol=1e3 * batch_tolerance)
