"""Labels of P-Net's cells: overlap and box of the face nearest to each, for whole tiles at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mtcnn_fast.config import CELL

#: Pixels of a level between two cells.
STRIDE = 2
#: Overlap with a face that is not usable, or share of the cell inside of one, from which a cell says nothing, unless it
#: overlaps a usable face by `_CERTAIN`.
_IGNORED_IOU, _IGNORED_SHARE, _CERTAIN = 0.3, 0.5, 0.4


class Cells(NamedTuple):
    """What the cells of tiles show.

    Attributes
    ----------
    overlap : Tensor of shape (n, rows, columns)
        IoU of a cell's window with the nearest usable face; -1 where a cell says nothing.
    boxes : Tensor of shape (n, 4, rows, columns)
        Offsets of that face's corners, as P-Net puts them out.
    """

    overlap: Tensor
    boxes: Tensor


def label_cells(faces: Tensor, usable: Tensor, scale: Tensor, side: int) -> Cells:
    """Label the cells of tiles.

    Parameters
    ----------
    faces : Tensor of shape (n, k, 4)
        xyxy in pixels of the tile; NaN for none.
    usable : Tensor of bool, shape (n, k)
    scale : Tensor of shape (n,)
        Pixels of the level for a pixel of the image.
    side : int
        Of the tiles.

    Returns
    -------
    Cells
    """
    count = (side - CELL) // STRIDE + 1
    start = torch.arange(count, dtype=torch.float32, device=faces.device) * STRIDE
    low_x, low_y, high_x, high_y = (faces[:, :, None, i] for i in range(4))
    # Separable: shared widths (n, k, columns) and heights (n, k, rows).
    wide = (torch.minimum(high_x, start + CELL) - torch.maximum(low_x, start)).clamp(min=0).nan_to_num(0)
    high = (torch.minimum(high_y, start + CELL) - torch.maximum(low_y, start)).clamp(min=0).nan_to_num(0)
    shared = high[:, :, :, None] * wide[:, :, None, :]
    area = ((high_x - low_x) * (high_y - low_y)).nan_to_num(0)[..., None]
    iou = shared / (CELL * CELL + area - shared)
    overlap, face = torch.where(usable[:, :, None, None], iou, 0).max(dim=1)
    others = ~usable[:, :, None, None]
    ignored = torch.where(others, iou, 0).amax(dim=1) > _IGNORED_IOU
    ignored |= torch.where(others, shared, 0).amax(dim=1) > _IGNORED_SHARE * CELL * CELL
    overlap = torch.where(ignored & (overlap < _CERTAIN), -1.0, overlap)
    return Cells(overlap, _offsets(faces, face, scale, start))


def _offsets(faces: Tensor, face: Tensor, scale: Tensor, start: Tensor) -> Tensor:
    nearest = faces.gather(1, face.flatten(1)[:, :, None].expand(-1, -1, 4)).reshape(*face.shape, 4)
    # Section 2 of docs/semantics.md: a cell's box goes from 1 to 12 in the level, rounded down in the image, which is
    # half a pixel of the image on average.
    first = start[None] + 1 - scale[:, None] / 2
    last = start[None] + CELL - scale[:, None] / 2
    x1, x2 = first[:, None, :], last[:, None, :]
    y1, y2 = first[:, :, None], last[:, :, None]
    corners = (x1, y1, x2, y2)
    size = CELL - 1
    return torch.stack([(nearest[..., i] - corners[i]) / size for i in range(4)], dim=1)
