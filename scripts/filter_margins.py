#!/usr/bin/env python3
"""How far P-Net in half precision is from float32 on photographs: the margin that its filter needs.

For every cell of the pyramid of every image it computes the face's logit less the other, once in float32 and once with
factors of half precision and sums of float32, as the tensor cores do. Prints the hash of P-Net's tensors, the greatest
differences, the share of parts of 8 x 8 cells that the filter would take, and the candidates that it would lose with
``--margin``. Needs torch.

    python scripts/filter_margins.py [--weights FOLDER] [--margin 0.3] [--every 1] FOLDER...
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast.backends.cascade.plan import make_plan
from mtcnn_fast.backends.host import resize_to_sizes
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.images import load_image
from mtcnn_fast.weights import load_weights
from mtcnn_fast.weights.margins import tensors_hash

#: Cells along a side of what the filter takes or drops.
PART = 8


def rounded(values: Tensor) -> Tensor:
    return values.half().float()


class FaceLogits:
    """P-Net's face logit less the other, with factors of either precision."""

    def __init__(self, tensors: Any, *, half: bool) -> None:
        self._round = rounded if half else lambda values: values
        self._tensors = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        self._factors = {name: self._round(value) for name, value in self._tensors.items()}

    def _layer(self, x: Tensor, number: int) -> Tensor:
        factor, bias = self._factors[f"conv{number}.weight"], self._tensors[f"conv{number}.bias"]
        return functional.prelu(functional.conv2d(self._round(x), factor, bias), self._tensors[f"prelu{number}.weight"])

    def __call__(self, level: np.ndarray) -> np.ndarray:
        """Map a normalised level ``(3, H, W)`` to ``(rows, columns)``."""
        x = torch.from_numpy(np.ascontiguousarray(level))[None]
        x = functional.max_pool2d(self._layer(x, 1), 2, ceil_mode=True)
        x = self._layer(self._layer(x, 2), 3)
        heads, bias = self._tensors["conv4_1.weight"], self._tensors["conv4_1.bias"]
        result: np.ndarray = functional.conv2d(x, heads[1:] - heads[:1], bias[1:] - bias[:1])[0, 0].numpy()
        return result


def levels_of(path: Path, config: DetectorConfig) -> Iterator[np.ndarray]:
    image = load_image(path)
    plan = make_plan([image.shape[:2]], config)
    sizes = [(plan.groups[level.group].height, plan.groups[level.group].width) for level in plan.levels]
    return iter(resize_to_sizes(image, sizes, 1))


def parts(cells: np.ndarray) -> np.ndarray:
    """Return which parts have a cell that is set."""
    rows, columns = cells.shape
    padded = np.zeros((-(-rows // PART) * PART, -(-columns // PART) * PART), bool)
    padded[:rows, :columns] = cells
    found: np.ndarray = padded.reshape(len(padded) // PART, PART, -1, PART).any((1, 3))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--margin", type=float, default=0.3)
    parser.add_argument("--every", type=int, default=1, help="take one image of so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config, tensors = DetectorConfig(), load_weights(arguments.weights).pnet
    exact, half = FaceLogits(tensors, half=False), FaceLogits(tensors, half=True)
    paths = sorted(
        path for folder in arguments.folders for path in folder.rglob("*") if path.suffix in (".jpg", ".png")
    )
    paths = paths[:: arguments.every]
    threshold = config.thresholds[0]
    limit = math.log(threshold / (1 - threshold))
    cells = candidates = taken = whole = cells_lost = parts_lost = 0
    greatest = below = near = 0.0
    with torch.inference_mode():
        for path in paths:
            for level in levels_of(path, config):
                ours, theirs = half(level), exact(level)
                difference, passes = theirs - ours, theirs >= limit
                greatest = max(greatest, float(np.abs(difference).max()))
                below = max(below, float(difference.max()))
                near = max(near, float(difference[passes].max(initial=0)))
                reached = ours >= limit - arguments.margin
                some = parts(reached)
                cells, candidates = cells + ours.size, candidates + int(passes.sum())
                taken, whole = taken + int(some.sum()), whole + some.size
                cells_lost += int((passes & ~reached).sum())
                parts_lost += int((parts(passes) & ~some).sum())
    print(f"P-Net {tensors_hash(tensors)}")
    print(f"{len(paths)} images, {cells} cells, {candidates} candidates at {threshold}")
    print(f"greatest difference {greatest:.4f}, below float32 {below:.4f}, of candidates {near:.4f}")
    print(f"with the margin {arguments.margin}: {taken / whole:.3f} of the parts taken, {taken} of {whole}")
    print(f"lost: {cells_lost} cells below the limit on their own, {parts_lost} parts with a candidate")


if __name__ == "__main__":
    main()
