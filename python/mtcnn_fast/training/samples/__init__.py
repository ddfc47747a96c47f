"""Samples for training: windows cut from annotated images, stored on disk, taken in batches."""

from __future__ import annotations

from mtcnn_fast.training.samples.augment import AugmentOptions, augment
from mtcnn_fast.training.samples.generate import make_samples
from mtcnn_fast.training.samples.recall import stage_recall
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind, SampleSet

#: Its earlier name.
Batch = SampleBatch

__all__ = [
    "AugmentOptions",
    "SampleBatch",
    "SampleKind",
    "SampleOptions",
    "SampleSet",
    "augment",
    "make_samples",
    "stage_recall",
]
