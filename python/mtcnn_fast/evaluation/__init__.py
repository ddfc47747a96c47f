"""Scoring detectors by the protocols of WIDER FACE and FDDB, landmarks, and comparing systems.

Its modules need numpy alone, and what the extra ``eval`` brings for MATLAB files (scipy, h5py), the assignment in
FDDB's protocol (scipy) and plots (matplotlib). On the command line: ``mtcnn-fast evaluate`` and ``compare``.
"""

from __future__ import annotations

from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.fddb import FddbImage, Roc
from mtcnn_fast.datasets.fddb import read_fddb_images as read_fddb
from mtcnn_fast.datasets.landmark_lists import LandmarkFace, read_landmarks
from mtcnn_fast.datasets.widerface import WiderImage, select_events
from mtcnn_fast.datasets.widerface import read_widerface_images as read_widerface
from mtcnn_fast.evaluation.curves import Curve, area_under_envelope, read_published_curves
from mtcnn_fast.evaluation.fddb import FddbResult, score_fddb
from mtcnn_fast.evaluation.landmarks import LandmarkResult, score_landmarks
from mtcnn_fast.evaluation.widerface import WiderResult, score_widerface

__all__ = [
    "Curve",
    "Detections",
    "FddbImage",
    "FddbResult",
    "LandmarkFace",
    "LandmarkResult",
    "Roc",
    "WiderImage",
    "WiderResult",
    "area_under_envelope",
    "read_fddb",
    "read_landmarks",
    "read_published_curves",
    "read_widerface",
    "score_fddb",
    "score_landmarks",
    "score_widerface",
    "select_events",
]
