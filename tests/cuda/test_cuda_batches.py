"""The device ``cuda`` and what it keeps between batches: plans, halves that go side by side, the lengths of lists."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.backends.cascade import backend as cascade_backend
from mtcnn_fast.backends.cascade.plan import KEPT_PLANS
from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.backends.cuda import backend as cuda_backend
from support.cuda_device import VARIANT
from support.cuda_producers import DLPack
from support.data import PHOTO

pytestmark = pytest.mark.skipif(VARIANT == "gpu", reason="runs on the emulated device")

SHORT = Capacities(proposals=4, rnet=4, onet=4, faces=4)


@pytest.fixture(scope="module")
def face():
    photo = Image.open(PHOTO).convert("RGB")
    return np.asarray(photo.crop((130, 20, 330, 220)).resize((60, 60)))


def test_plans_of_sizes_met_before_are_kept(make, face, monkeypatch):
    made = []
    plan = cascade_backend.make_plan
    monkeypatch.setattr(cascade_backend, "make_plan", lambda sizes, config: made.append(sizes) or plan(sizes, config))
    with make() as backend:
        first = [backend.detect([face]), backend.detect([face[:50]]), backend.detect([face])]
        assert made == [((60, 60),), ((50, 60),)]
        assert first[0] == first[2]
        for height in range(12, 13 + KEPT_PLANS):
            backend.detect([face[:height]])
        backend.detect([face])
        assert made.count(((60, 60),)) == 2


def test_other_images_of_the_same_sizes_are_seen(make, face):
    with make() as backend:
        (found,), (nothing,), (again,) = (backend.detect([image]) for image in (face, np.zeros_like(face), face))
    assert len(found) == 1
    assert len(nothing) == 0
    assert again == found


@pytest.mark.parametrize("count", [4, 5])
def test_halves_of_a_batch_change_nothing(make, face, monkeypatch, count):
    images = [face, face[:, ::-1], face[:50], np.zeros_like(face), face[5:, 5:]][:count]
    with make() as backend:
        whole = backend.detect(images)
        monkeypatch.setattr(cuda_backend, "_LEAST_HALVED", 4)
        assert backend.detect(images) == whole
        assert [len(faces) for faces in whole[:2]] == [1, 1]


def test_an_error_in_either_half_is_raised(make, face, monkeypatch):
    monkeypatch.setattr(cuda_backend, "_LEAST_HALVED", 2)
    with make() as backend:
        detect = backend._detect

        def fail(images, *arguments):
            if not images[0].any():
                raise RuntimeError("this half")
            return detect(images, *arguments)

        monkeypatch.setattr(backend, "_detect", fail)
        for images in ([np.zeros_like(face), face], [face, np.zeros_like(face)]):
            with pytest.raises(RuntimeError, match="this half"):
                backend.detect(images)
        assert [len(faces) for faces in backend.detect([face, face])] == [1, 1]


def test_detections_on_the_device_learn_how_long_lists_must_be(make, face, plain_device):
    """The caller reads the result; the next call knows by then what the lists wanted."""
    with make(SHORT) as backend:
        batch = plain_device.array(face)
        first = backend.detect_tensor([DLPack(batch)])
        assert first.overflow.numpy()[0] != 0
        while True:
            later = backend.detect_tensor([DLPack(batch)])
            if later.overflow.numpy()[0] == 0:
                break
            assert later.wanted.numpy().tolist() > first.wanted.numpy().tolist()
            first = later
        assert later.counts.numpy().tolist() == [1]
