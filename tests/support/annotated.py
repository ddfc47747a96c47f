"""Pictures with faces whose boxes and landmarks are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mtcnn_fast.datasets import FaceRecord
from support.portrait import portrait

#: The face in `portrait`, and its landmarks.
BOX = np.array([29, 20, 79, 84], np.float64)
POINTS = np.array([[43, 42], [69, 43], [56, 58], [42, 64], [68, 66]], np.float64)


def pictures(folder: Path, count: int, *, seed: int = 0, complete: bool = True) -> list[FaceRecord]:
    """Draw pictures of 200 x 160 pixels with the portrait at random places and sizes; every other has landmarks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        pixels = rng.integers(0, 256, (20, 25, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        side = int(rng.integers(60, 150))
        x, y = rng.integers(0, 200 - side), rng.integers(0, 160 - side)
        pixels[y : y + side, x : x + side] = np.array(Image.fromarray(portrait()).resize((side, side)))
        path = folder / f"{i:03}.png"
        Image.fromarray(pixels).save(path)
        scale = side / 112
        box = (BOX * scale + [x, y, x, y])[None].astype(np.float32)
        points = (POINTS * scale + [x, y])[None].astype(np.float32)
        records.append(FaceRecord(path, box, points if i % 2 else None, complete=complete))
    return records
