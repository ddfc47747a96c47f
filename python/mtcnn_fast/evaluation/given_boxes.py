"""Landmarks of faces whose boxes are given: the last network alone, without the search."""

from __future__ import annotations

import numpy as np

from mtcnn_fast import ops
from mtcnn_fast.backends.base import Image
from mtcnn_fast.backends.numpy_nets import ONet
from mtcnn_fast.backends.numpy_ops import place_landmarks, square
from mtcnn_fast.evaluation.records import Floats
from mtcnn_fast.weights import Weights


class BoxAligner:
    """Places the five landmarks in boxes from elsewhere, as the cascade's third stage does in its own.

    Parameters
    ----------
    weights : Weights
    """

    def __init__(self, weights: Weights) -> None:
        self._network = ONet(weights.onet)

    def align(self, image: Image, boxes: Floats) -> list[Floats | None]:
        """Find landmarks in boxes.

        Parameters
        ----------
        image : (H, W, 3) uint8
        boxes : (N, 4) float64
            Corners ``x1, y1, x2, y2``; squared about their centres first, as the network is used to.

        Returns
        -------
        landmarks : list of (5, 2) float64 or None
            None where a box has no pixel inside the image.
        """
        squares = square(np.asarray(boxes, np.float32))
        crops, valid = ops.crop_pad_resize(image, squares, self._network.size, border="zero")
        points = place_landmarks(squares, self._network(np.asarray(crops))[2]).astype(np.float64)
        return [points[i] if valid[i] else None for i in range(len(squares))]
