"""Readers of the data sets that detectors and landmarks are trained on, all yielding `FaceRecord`."""

from __future__ import annotations

from mtcnn_fast.training.data.records import FaceRecord, present
from mtcnn_fast.training.data.widerface import read_retinaface, read_widerface

__all__ = ["FaceRecord", "present", "read_retinaface", "read_widerface"]
