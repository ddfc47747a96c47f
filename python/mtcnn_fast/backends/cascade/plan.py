"""What a batch of images needs from the pyramid and P-Net, worked out from their sizes before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.config import DetectorConfig


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """One scale of one image: slot `slot` of group `group`."""

    image: int
    scale: float
    group: int
    slot: int


@dataclasses.dataclass(slots=True)
class Group:
    """Levels of one size, whichever images they come from: P-Net sees them as one batch."""

    height: int
    width: int
    images: list[int]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of P-Net's output."""
        return _cells(self.height), _cells(self.width)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Levels in the order of ties (by image, then scale), and the groups that they are packed in.

    Attributes
    ----------
    sizes : list of (int, int)
        Height and width of each image.
    levels : list of Level
    groups : list of Group
        In the order in which the pyramid packs them.

    Notes
    -----
    Backends keep the plans of the sizes that they met last, and what they derive from them, by identity.
    """

    sizes: list[tuple[int, int]]
    levels: list[Level]
    groups: list[Group]


#: Plans that a backend keeps: one for each list of sizes. A plan of 64 images takes milliseconds.
KEPT_PLANS = 16


def make_plan(sizes: Sequence[tuple[int, int]], config: DetectorConfig) -> Plan:
    """Plan the pyramid of a batch of images, given as (height, width)."""
    levels: list[Level] = []
    groups: dict[tuple[int, int], Group] = {}
    places: dict[tuple[int, int], int] = {}
    for image, (height, width) in enumerate(sizes):
        scales = numpy_steps.pyramid_scales(height, width, config.min_face_size, config.factor, config.max_face_size)
        for scale in scales:
            size = numpy_steps.scaled_size(height, width, scale)
            group = groups.setdefault(size, Group(*size, []))
            place = places.setdefault(size, len(places))
            levels.append(Level(image, scale, place, len(group.images)))
            group.images.append(image)
    return Plan(list(sizes), levels, list(groups.values()))


def _cells(length: int) -> int:
    """Cells along an axis: three 3 x 3 convolutions without padding and a pooling that rounds up."""
    return -(-(length - 2) // 2) - 4
