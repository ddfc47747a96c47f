"""Readers of the data sets that faces and landmarks are trained on and measured with.

Readers for training yield `FaceRecord`; those for scoring keep what a protocol needs (`WiderImage`, `FddbImage`,
`LandmarkFace`).
"""

from __future__ import annotations

from mtcnn_fast.datasets.celeba import read_celeba
from mtcnn_fast.datasets.coco import read_coco
from mtcnn_fast.datasets.fddb import FddbImage, read_fddb_images, read_fddb_records
from mtcnn_fast.datasets.landmark_lists import LandmarkFace, read_landmark_list, read_landmarks
from mtcnn_fast.datasets.pseudo_landmarks import with_pseudo_landmarks
from mtcnn_fast.datasets.records import FaceRecord, present
from mtcnn_fast.datasets.splits import split
from mtcnn_fast.datasets.widerface import WiderImage, read_retinaface, read_widerface_images, read_widerface_records

# The names that they had in `mtcnn_fast.training.data`.
read_widerface = read_widerface_records
read_fddb = read_fddb_records

__all__ = [
    "FaceRecord",
    "FddbImage",
    "LandmarkFace",
    "WiderImage",
    "present",
    "read_celeba",
    "read_coco",
    "read_fddb_images",
    "read_fddb_records",
    "read_landmark_list",
    "read_landmarks",
    "read_retinaface",
    "read_widerface_images",
    "read_widerface_records",
    "split",
    "with_pseudo_landmarks",
]
