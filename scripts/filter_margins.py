#!/usr/bin/env python3
"""How far P-Net with factors of 16 bits is from float32 on photographs: the margin that its filter needs.

For every cell of the pyramid of every image it computes the face's logit less the other, once in float32 and once with
factors of 16 bits and sums of float32: float16 as the tensor cores of ``cuda`` do, bfloat16 as AMX does on ``cpu``.
Prints the hash of P-Net's tensors, the greatest differences, the share of parts of 8 x 8 or 4 x 4 cells that the filter
would take, and the candidates that it would lose with ``--margin``. Needs torch.

    python scripts/filter_margins.py [--format bfloat16] [--weights FOLDER] [--margin 0.3] [--every 1] FOLDER...
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
PARTS = {"float16": 8, "bfloat16": 4}
FORMATS = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def rounded_kernels(weights: Tensor) -> Tensor:
    """Round 3 x 3 weights to bfloat16 as the engine does: what is left of one goes to the next, row by row and back."""
    result, rest = torch.empty_like(weights), torch.zeros_like(weights[..., 0, 0])
    for y in range(3):
        for x in range(3) if y % 2 == 0 else (2, 1, 0):
            weight = weights[..., y, x] + rest
            result[..., y, x] = weight.bfloat16().float()
            rest = weight - result[..., y, x]
    return result


class FaceLogits:
    """P-Net's face logit less the other, in float32 or with factors of a format of 16 bits."""

    def __init__(self, tensors: Any, number_format: str | None = None) -> None:
        self._format = number_format
        self._tensors = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        of_kernel = rounded_kernels if number_format == "bfloat16" else self._round
        names = [f"conv{number}.weight" for number in (1, 2, 3)]
        self._factors = {name: of_kernel(self._tensors[name]) for name in names}

    def _round(self, values: Tensor) -> Tensor:
        return values if self._format is None else values.to(FORMATS[self._format]).float()

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


def parts(cells: np.ndarray, side: int) -> np.ndarray:
    """Return which parts of `side` x `side` cells have one that is set."""
    rows, columns = cells.shape
    padded = np.zeros((-(-rows // side) * side, -(-columns // side) * side), bool)
    padded[:rows, :columns] = cells
    found: np.ndarray = padded.reshape(len(padded) // side, side, -1, side).any((1, 3))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--format", choices=FORMATS, default="float16")
    parser.add_argument("--weights")
    parser.add_argument("--margin", type=float, default=0.3)
    parser.add_argument("--every", type=int, default=1, help="take one image of so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config, tensors = DetectorConfig(), load_weights(arguments.weights).pnet
    exact, rough, side = FaceLogits(tensors), FaceLogits(tensors, arguments.format), PARTS[arguments.format]
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
                ours, theirs = rough(level), exact(level)
                difference, passes = theirs - ours, theirs >= limit
                greatest = max(greatest, float(np.abs(difference).max()))
                below = max(below, float(difference.max()))
                near = max(near, float(difference[passes].max(initial=0)))
                reached = ours >= limit - arguments.margin
                some = parts(reached, side)
                cells, candidates = cells + ours.size, candidates + int(passes.sum())
                taken, whole = taken + int(some.sum()), whole + some.size
                cells_lost += int((passes & ~reached).sum())
                parts_lost += int((parts(passes, side) & ~some).sum())
    print(f"P-Net {tensors_hash(tensors)}")
    print(f"{len(paths)} images, {cells} cells, {candidates} candidates at {threshold}")
    print(f"greatest difference {greatest:.4f}, below float32 {below:.4f}, of candidates {near:.4f}")
    print(f"with the margin {arguments.margin}: {taken / whole:.3f} of the parts taken, {taken} of {whole}")
    print(f"lost: {cells_lost} cells below the limit on their own, {parts_lost} parts with a candidate")


if __name__ == "__main__":
    main()
