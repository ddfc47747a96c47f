"""The parts in which one image is searched: turned, and in tiles on levels of falling size.

A tile shows a face whole that is at most `REACH` of the tiles' overlap wide and high, and has its centre in the tile's
own share of the image, or a little beyond. Larger faces are looked for on the next level, an image that is
smaller by a whole factor, until a level fits into one tile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from mtcnn_fast._types import Bools, Doubles, Image
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.views.settings import REACH, Views
from mtcnn_fast.views.windows import reduced

#: Size in pixels that a face just too large for a level's tiles has on the next one; O-Net looks at 48 x 48 pixels.
NEXT_SIZE = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Tile:
    """A part of a level.

    Attributes
    ----------
    x, y : int
        Where it begins, in pixels of the level.
    own : (x1, y1, x2, y2)
        Its share of the level: faces with a centre elsewhere are left to the neighbours.
    largest : float
        Width and height that a face may have, in pixels.
    """

    x: int = 0
    y: int = 0
    own: tuple[float, float, float, float] = (-np.inf, -np.inf, np.inf, np.inf)
    largest: float = np.inf

    def keeps(self, boxes: Doubles) -> Bools:
        """Tell which boxes ``(N, 4)``, in pixels of the level, are the tile's."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = (centres >= self.own[:2]) & (centres <= self.own[2:])
        small = boxes[:, 2:] - boxes[:, :2] <= self.largest
        kept: Bools = np.logical_and.reduce(np.concatenate([inside, small], axis=1), axis=1)
        return kept


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """How searched pixels lie in the image.

    Attributes
    ----------
    width, height : int
        Of the searched pixels.
    turns : int
        By how many quarters they are turned counter-clockwise.
    tile : Tile
    factor : int
        Pixels of the image to one of these.
    """

    width: int
    height: int
    turns: int = 0
    tile: Tile = Tile()
    factor: int = 1

    @property
    def same(self) -> bool:
        """Whether the part is the image as it is."""
        return self.turns == 0 and self.factor == 1 and self.tile == Tile()

    def back(self, faces: Faces) -> tuple[Doubles, Doubles, Doubles]:
        """Return boxes, scores and landmarks in pixels of the image, of the faces that are the part's own."""
        corners = self._to_level(faces.boxes.reshape(-1, 2, 2).astype(np.float64))
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        kept = self.tile.keeps(boxes)
        # Whole numbers are edges of pixels in boxes, and their centres in landmarks, as `crops` and `align` have it.
        landmarks = self._to_level(faces.landmarks[kept].astype(np.float64) + 0.5) - 0.5
        return boxes[kept] * self.factor, faces.scores[kept].astype(np.float64), landmarks * self.factor

    def _to_level(self, points: Doubles) -> Doubles:
        placed: Doubles = turned_back(points, self.turns, self.width, self.height) + np.array(
            [self.tile.x, self.tile.y]
        )
        return placed


def turned_back(points: Doubles, turns: int, width: int, height: int) -> Doubles:
    """Map points ``(..., 2)`` of an image that was turned by quarters counter-clockwise, and now has this size."""
    x, y = points[..., 0], points[..., 1]
    if turns == 1:
        x, y = height - y, x
    elif turns == 2:
        x, y = width - x, height - y
    elif turns == 3:
        x, y = y, width - x
    return np.stack([x, y], axis=-1)


def parts_of(image: Image, views: Views, config: DetectorConfig) -> Iterator[tuple[Image, Place]]:
    """Yield the pixels in which an image is searched, each made when they are taken, and how they lie in it."""
    for level, factor, tiles in _levels(image, views, config):
        for tile, width, height in tiles:
            pixels = level[tile.y : tile.y + height, tile.x : tile.x + width]
            for rotation in views.rotations:
                turns = rotation // 90
                turned = np.ascontiguousarray(np.rot90(pixels, turns))
                yield turned, Place(turned.shape[1], turned.shape[0], turns, tile, factor)


def _levels(
    image: Image, views: Views, config: DetectorConfig
) -> Iterator[tuple[Image, int, list[tuple[Tile, int, int]]]]:
    """Yield an image at falling sizes, each with its factor, its tiles, and their widths and heights."""
    factor = 1
    overlap = views.overlap(config)
    while True:
        height, width = image.shape[:2]
        if views.tiles is None or max(height, width) <= views.tile_side:
            yield image, factor, [(Tile(), width, height)]
            return
        yield image, factor, _grid(width, height, views.tile_side, overlap)
        largest = REACH * overlap
        if config.max_face_size is not None and config.max_face_size <= largest * factor:
            return
        step = max(2, min(int(largest / NEXT_SIZE), int(largest / config.min_face_size)))
        image, factor = reduced(image, step), factor * step


def _grid(width: int, height: int, side: int, overlap: int) -> list[tuple[Tile, int, int]]:
    tiles = []
    largest = REACH * overlap
    # Faces that two tiles measure differently at the border of their shares are kept by at least one.
    slack = (overlap - largest) / 2
    for y, top, bottom in _spans(height, side, overlap):
        for x, left, right in _spans(width, side, overlap):
            own = (left - slack, top - slack, right + slack, bottom + slack)
            tiles.append((Tile(x, y, own, largest), min(side, width), min(side, height)))
    return tiles


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, float, float]]:
    """Lay spans of one length over a line: where each begins, and its share, to the middle of the overlaps."""
    count = 1 if length <= side else -(-(length - overlap) // (side - overlap))
    starts = [round(i * (length - side) / (count - 1)) if count > 1 else 0 for i in range(count)]
    middles = [(starts[i + 1] + starts[i] + side) / 2 for i in range(count - 1)]
    return list(zip(starts, [-np.inf, *middles], [*middles, np.inf], strict=True))
