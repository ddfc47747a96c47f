"""Windows of the soft-label recipe for tests, and settings that train on them in no time. Needs torch."""

from __future__ import annotations

import math

import numpy as np
import torch

from mtcnn_fast.training.soft.augmentation import WindowBatch
from mtcnn_fast.training.soft.loop import REFRESH
from mtcnn_fast.training.soft.options import BalanceOptions, ObjectiveOptions, SoftOptions
from mtcnn_fast.training.soft.window_set import Windows, WindowSet


def squares(count: int, seed: int = 0, size: int = 24) -> WindowSet:
    """Windows of which half show a bright square, the face."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 100, (count, size, size, 3)).astype(np.uint8)
    face = np.arange(count) % 2 == 0
    low = rng.uniform(0, 0.25, (count, 2))
    box = np.concatenate([low, low + rng.uniform(0.6, 0.75, (count, 1))], axis=1)
    for place, (x1, y1, x2, y2) in enumerate(np.rint(box * size).astype(int)):
        if face[place]:
            images[place, y1:y2, x1:x2] = 220
    overlap = np.where(face, (box[:, 2] - box[:, 0]) ** 2, 0)
    columns = (
        np.tile(np.array([1, 1, size, size], np.float32), (count, 1)),
        np.where(face[:, None], np.rint(box * size), np.nan).astype(np.float32),
        np.full((count, 5, 2), np.nan, np.float32),
        overlap.astype(np.float32),
        np.zeros(count, np.float32),
        np.arange(count, dtype=np.int64),
        np.where(face, 0, -1).astype(np.int64),
    )
    return WindowSet([images], Windows(images[:0], *columns))


OPTIONS = SoftOptions(
    steps=2 * REFRESH + 20,
    batch_size=24,
    warmup=10,
    average=0.9,
    validate_every=REFRESH,
    amp="off",
    balance=BalanceOptions(size=0, image=0),
    objective=ObjectiveOptions(ramp=(0.2, 0.45), label_of="window"),
)


def batch(overlap: list[float], **changes: torch.Tensor) -> WindowBatch:
    count = len(overlap)
    values = {
        "images": torch.zeros(count, 3, 24, 24),
        "boxes": torch.zeros(count, 4),
        "landmarks": torch.full((count, 10), math.nan),
        "overlap": torch.tensor(overlap),
        "widths": torch.full((count, 2), 50.0),
        "taught": torch.zeros(count, dtype=torch.bool),
    }
    return WindowBatch(**{**values, **changes})
