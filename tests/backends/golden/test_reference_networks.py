"""The numpy networks against recorded inputs and outputs of the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.numpy.nets import ONet, PNet, RNet
from support.data import shared

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def recorded():
    with np.load(shared("golden/networks.npz")) as arrays:
        return dict(arrays)


def close(ours, reference):
    np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-5)


def test_pnet(recorded, weights):
    pnet = PNet(weights.pnet)
    for image, offsets, probabilities in zip(
        recorded["pnet_in"], recorded["pnet_out0"], recorded["pnet_out1"], strict=True
    ):
        scores, regression = pnet(image)
        close(scores, probabilities[1])
        close(regression, offsets)


def test_rnet(recorded, weights):
    scores, offsets = RNet(weights.rnet)(recorded["rnet_in"])
    close(scores, recorded["rnet_out1"][:, 1])
    close(offsets, recorded["rnet_out0"])


def test_onet(recorded, weights):
    scores, offsets, landmarks = ONet(weights.onet)(recorded["onet_in"])
    close(scores, recorded["onet_out2"][:, 1])
    close(offsets, recorded["onet_out0"])
    close(landmarks, recorded["onet_out1"])
