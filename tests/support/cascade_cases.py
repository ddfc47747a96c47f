"""Small pictures, and how close the faces of the cascade on a device come to numpy's."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.faces import Faces
from support.data import PHOTO

#: Lists that are long enough for `small_pictures`.
ROOM = Capacities(proposals=1024, rnet=128, onet=32, faces=16)


def small_pictures() -> list[np.ndarray]:
    """Return a face, two parts of it, nothing, and a picture without a level."""
    photo = Image.open(PHOTO).convert("RGB")
    face = np.asarray(photo.crop((130, 20, 330, 220)).resize((100, 100)))
    pair = np.full((100, 170, 3), 90, np.uint8)
    pair[:, :85], pair[:, 85:] = face[:, :85], face[:, 15:]
    return [face, pair, np.zeros((40, 50, 3), np.uint8), np.zeros((5, 5, 3), np.uint8)]


def assert_close(ours: Faces, reference: Faces) -> None:
    assert len(ours) == len(reference)
    np.testing.assert_allclose(ours.scores, reference.scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.boxes, reference.boxes, rtol=0, atol=0.01)
    np.testing.assert_allclose(ours.landmarks, reference.landmarks, rtol=0, atol=0.01)
