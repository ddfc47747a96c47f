"""Readers of the data sets that detectors and landmarks are trained on, all yielding `FaceRecord`."""

from __future__ import annotations

from mtcnn_fast.training.data.celeba import read_celeba
from mtcnn_fast.training.data.coco import read_coco
from mtcnn_fast.training.data.fddb import read_fddb
from mtcnn_fast.training.data.landmark_lists import read_landmark_list
from mtcnn_fast.training.data.records import FaceRecord, present
from mtcnn_fast.training.data.splits import split
from mtcnn_fast.training.data.widerface import read_retinaface, read_widerface

__all__ = [
    "FaceRecord",
    "present",
    "read_celeba",
    "read_coco",
    "read_fddb",
    "read_landmark_list",
    "read_retinaface",
    "read_widerface",
    "split",
]
