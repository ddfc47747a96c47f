"""`train_pnet`: P-Net, trained convolutionally on tiles of pyramid levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast._types import AnyArray, Indices
from mtcnn_fast.nets.modules import PNet
from mtcnn_fast.training.soft.augmentation import floats
from mtcnn_fast.training.soft.cells import Cells, label_cells
from mtcnn_fast.training.soft.forward import CPU, Net, features, heads
from mtcnn_fast.training.soft.metrics import average_precision
from mtcnn_fast.training.soft.objective import paired_iou
from mtcnn_fast.training.soft.options import PNetOptions
from mtcnn_fast.training.soft.run import SoftResult, SoftRun
from mtcnn_fast.training.soft.tiles import Tiles

_BATCH = 64
_GRAY = 127.5


@dataclasses.dataclass(frozen=True, slots=True)
class TileBatch:
    """Tiles on their way into P-Net.

    Attributes
    ----------
    images : Tensor of shape (n, 3, T, T)
        Normalised, channels last in memory.
    cells : Cells
    """

    images: Tensor
    cells: Cells


def tile_batch(
    tiles: Tiles,
    indices: Indices,
    options: PNetOptions,
    rng: np.random.Generator | None,
    dtype: torch.dtype,
    device: torch.device = CPU,
) -> TileBatch:
    """Take tiles by index, change them at random unless `rng` is None, and label their cells.

    Tiles are mirrored and change their light; `options.warp` says how much, as far as that applies.
    """
    images, faces = tiles.images[indices], tiles.faces[indices].copy()
    side, count = images.shape[1], len(indices)
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    if rng is not None:
        flipped = rng.random(count) < options.warp.flip
        places = torch.from_numpy(np.flatnonzero(flipped)).to(device)
        pixels[places] = pixels[places].flip(3)
        faces[flipped] = faces[flipped][..., [2, 1, 0, 3]] * [-1, 1, -1, 1] + [side, 0, side, 0]
        gain = np.exp(rng.normal(0, options.warp.contrast, (count, 1)))
        bias = _GRAY * (1 - gain) + 255 * rng.normal(0, options.warp.brightness, (count, 1))
        gain = gain * np.exp(rng.normal(0, options.warp.color, (count, 3)))
        pixels.mul_(floats(gain, device)[:, :, None, None])
        pixels.add_(floats(bias, device)[:, :, None, None]).clamp_(0, 255)
    pixels.sub_(127.5).mul_(0.0078125)
    cells = label_cells(
        floats(faces, device),
        torch.from_numpy(tiles.usable[indices] != 0).to(device),
        floats(tiles.scale[indices], device),
        side,
    )
    return TileBatch(pixels.to(dtype, memory_format=torch.channels_last), cells)


def pnet_loss(logits: Tensor, boxes: Tensor, cells: Cells, options: PNetOptions) -> tuple[Tensor, Tensor]:
    """Return the losses of detection and of boxes of all cells of a batch.

    Detection is the quality focal loss, ``|y - p|^2`` times cross-entropy with soft labels (Li et al. 2020,
    "Generalized Focal Loss", equation 2): background is nearly everywhere and mostly easy. Both are divided by the
    number of cells that are faces.

    Parameters
    ----------
    logits : Tensor of shape (n, 2, rows, columns)
    boxes : Tensor of shape (n, 4, rows, columns)
    cells : Cells
    options : PNetOptions
    """
    low, high = options.ramp
    labels = ((cells.overlap - low) / (high - low)).clamp(0, 1)
    score = logits[:, 1] - logits[:, 0]
    weight = (torch.sigmoid(score.detach()) - labels).abs() ** options.focus
    each = functional.binary_cross_entropy_with_logits(score, labels, reduction="none") * weight
    faces = torch.clamp(labels.sum(), min=1)
    detection = torch.where(cells.overlap >= 0, each, torch.zeros_like(each)).sum() / faces
    near = cells.overlap > options.box_from
    if not bool(near.any()):
        return detection, detection.new_zeros(())
    found, wanted = (offsets.permute(0, 2, 3, 1)[near] for offsets in (boxes, cells.boxes))
    iou = paired_iou(_decoded(found), _decoded(wanted))
    smooth = functional.smooth_l1_loss(found, wanted, beta=options.box_beta, reduction="none").sum(dim=1)
    return detection, ((1 - iou) + options.smooth * smooth).sum() / faces


def _decoded(offsets: Tensor) -> Tensor:
    return offsets + torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=offsets.dtype, device=offsets.device)


def evaluate_pnet(
    net: Net, tiles: Tiles, options: PNetOptions, dtype: torch.dtype, device: torch.device = CPU
) -> dict[str, float]:
    """Measure P-Net, which is on `device`, on held-out tiles.

    Returns
    -------
    dict of str to float
        ``detection`` and ``box``, the losses; ``ap``, average precision of the cells that overlap a face by half
        against those that show none; ``recall``, share of the former that have a higher score than one cell in 300
        of the latter; ``box_iou``, mean IoU of their boxes.
    """
    scores: list[AnyArray] = []
    faces: list[AnyArray] = []
    ious: list[AnyArray] = []
    sums = np.zeros(3)
    for start in range(0, len(tiles.scale), _BATCH):
        indices = np.arange(start, min(start + _BATCH, len(tiles.scale)))
        batch = tile_batch(tiles, indices, options, None, dtype, device)
        with torch.inference_mode():
            outputs = heads(net, features(net, batch.images))
            assert outputs.boxes is not None
            detection, box = pnet_loss(outputs.logits, outputs.boxes, batch.cells, options)
            overlap = batch.cells.overlap
            score = outputs.logits[:, 1] - outputs.logits[:, 0]
            told = (overlap >= 0.5) | ((overlap >= 0) & (overlap < 0.3))
            scores.append(score[told].cpu().numpy())
            faces.append((overlap[told] >= 0.5).cpu().numpy())
            found, wanted = (each.permute(0, 2, 3, 1)[overlap >= 0.5] for each in (outputs.boxes, batch.cells.boxes))
            ious.append(paired_iou(_decoded(found), _decoded(wanted)).cpu().numpy())
            sums += [float(detection) * len(indices), float(box) * len(indices), len(indices)]
    all_scores, face = np.concatenate(scores).astype(np.float64), np.concatenate(faces)
    background = np.sort(all_scores[~face])
    limit = background[-max(1, len(background) // 300)] if len(background) else -np.inf
    return {
        "detection": float(sums[0] / sums[2]),
        "box": float(sums[1] / sums[2]),
        "ap": average_precision(all_scores, face, int(face.sum())),
        "recall": float((all_scores[face] > limit).mean()) if face.any() else float("nan"),
        "box_iou": float(np.concatenate(ious).mean()) if face.any() else float("nan"),
    }


def train_pnet(
    net: PNet,
    tiles: Tiles,
    validation: Tiles | None,
    options: PNetOptions,
    out: Path | None,
    *,
    name: str = "P-Net",
    shown: bool = True,
) -> SoftResult:
    """Train P-Net.

    Parameters
    ----------
    net : PNet
        Trained in place; ends with the moving average of its weights.
    tiles, validation : Tiles
        Of images to train on, and of others.
    options : PNetOptions
    out : Path or None
        Folder of checkpoints and logs, from which an interrupted run goes on.
    name : str
        For the display and for messages.
    shown : bool
        Whether to show progress on standard error.

    Returns
    -------
    SoftResult

    Raises
    ------
    ConfigError
        If `out` holds a run with other settings.
    TrainingError
        If the loss is no longer a finite number.
    """
    return _TileRun(net, tiles, validation, options, out, name).train(shown)


class _TileRun(SoftRun[TileBatch]):
    """The state of one call of `train_pnet`."""

    parts = ("loss", "detection", "box")

    def __init__(
        self, net: PNet, tiles: Tiles, validation: Tiles | None, options: PNetOptions, out: Path | None, name: str
    ) -> None:
        super().__init__(net, options, out, name)
        self.settings, self.tiles, self.validation = options, tiles, validation

    def batches(self) -> Generator[TileBatch, None, None]:
        """Yield minibatches of tiles drawn evenly."""
        while self.step < self.settings.steps:
            rng = np.random.default_rng([self.settings.seed, self.step])
            indices = rng.integers(len(self.tiles.scale), size=self.settings.batch_size)
            yield tile_batch(self.tiles, indices, self.settings, rng, self.dtype, self.device)

    def loss(self, batch: TileBatch) -> tuple[Tensor, ...]:
        """Return the parts of the loss."""
        outputs = heads(self.net, features(self.net, batch.images, self.never_fall))
        assert outputs.boxes is not None
        detection, box = pnet_loss(outputs.logits, outputs.boxes, batch.cells, self.settings)
        return detection + self.settings.box_weight * box, detection, box

    def measure(self) -> Mapping[str, float] | None:
        """Return the figures of `evaluate_pnet`."""
        if self.validation is None:
            return None
        return evaluate_pnet(self.average, self.validation, self.settings, self.dtype, self.device)

    def description(self) -> dict[str, Any]:
        """Return how many tiles there are."""
        return {"tiles": len(self.tiles.scale)}
