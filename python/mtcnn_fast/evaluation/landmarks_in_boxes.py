"""Landmarks of faces whose boxes are given: the last network alone, without the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mtcnn_fast import ops
from mtcnn_fast._types import Doubles, Image
from mtcnn_fast.backends.numpy.nets import ONet
from mtcnn_fast.backends.numpy.steps import place_landmarks, square
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.weights import Weights


class BoxAligner:
    """Places the five landmarks in boxes from elsewhere, as the cascade's third stage does in its own.

    Parameters
    ----------
    weights : Weights
    boxes : mapping of str to (4,) float64
        The box of the face in each image, ``x1, y1, x2, y2``. It is squared about its centre first, as the network is
        used to.
    """

    name = "mtcnn-fast, given boxes"

    def __init__(self, weights: Weights, boxes: Mapping[str, Doubles]) -> None:
        self._network = ONet(weights.onet)
        self._boxes = boxes
        self._digest = dict(weights.sha256)

    @property
    def settings(self) -> dict[str, Any]:
        """The hash of the networks."""
        return {"sha256": self._digest}

    def find(self, image: Image, key: str) -> tuple[Detections, Mapping[str, float]]:
        """Return the box of an image with its landmarks; nothing where it has no pixel inside the image."""
        box = self._boxes[key][None]
        squares = square(box.astype(np.float32))
        crops, valid = ops.crop_pad_resize(image, squares, self._network.size, "zero")
        if not valid[0]:
            return Detections.none(), {}
        scores, _, points = self._network(crops)
        landmarks = place_landmarks(squares, points)
        return Detections(box, scores.astype(np.float64), landmarks.astype(np.float64)), {}
