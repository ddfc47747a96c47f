"""The margins of filters: they belong to weights, and the script that measures them computes what it says."""

from __future__ import annotations

import runpy

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.numpy.nets import PNet
from mtcnn_fast.config import WEIGHTS
from mtcnn_fast.weights import load_weights
from mtcnn_fast.weights.margins import PNET_FLOAT16, pnet_float16_margin, tensors_hash
from support.data import ROOT
from support.half_pnet import face_logits
from support.pictures import ramp_with_noise

#: Greatest difference of logits that `scripts/filter_margins.py` saw on photographs; docs/cuda.md has it.
SEEN = 0.0683


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_come_with_the_package_have_a_margin(name):
    assert pnet_float16_margin(load_weights(name)) >= 4 * SEEN


def test_the_hash_is_that_of_the_tensors_and_not_of_their_order():
    tensors = dict(load_weights(None).pnet)
    assert tensors_hash(tensors) in PNET_FLOAT16
    assert tensors_hash(dict(reversed(tensors.items()))) == tensors_hash(tensors)
    for name in tensors:
        changed = {**tensors, name: tensors[name] * np.float32(1.0001)}
        assert tensors_hash(changed) not in PNET_FLOAT16


@pytest.mark.torch
def test_the_script_computes_both_arithmetics(monkeypatch):
    pytest.importorskip("torch", reason="the script needs torch")
    script = runpy.run_path(str(ROOT / "scripts" / "filter_margins.py"))
    tensors = load_weights(None).pnet
    level = numpy_steps.resize(numpy_steps.integral_image(ramp_with_noise(70, 90)), 61, 83)
    exact, half = (script["FaceLogits"](tensors, form)(level) for form in (None, "float16"))
    scores, _ = PNet(tensors)(level)
    np.testing.assert_allclose(1 / (1 + np.exp(-exact.astype(np.float64))), scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(half, face_logits(level, tensors), rtol=0, atol=5e-3)
    assert 1e-4 < np.abs(half - exact).max() < SEEN
    np.testing.assert_array_equal(
        script["parts"](np.eye(9, 17, dtype=bool), 8), [[True, False, False], [False, True, False]]
    )
