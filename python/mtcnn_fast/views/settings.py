"""`Views`: which views of an image are searched, checked."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Literal

from mtcnn_fast.checks import Count, Maybe, Number, Tuple, check_settings, setting
from mtcnn_fast.checks.values import refuse, refuse_type
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError

#: Degrees by which pixels can be turned without a change of their values.
ROTATIONS = (0, 90, 180, 270)

#: Side of tiles where ``"auto"`` chooses it: 50 MB of pixels, and few borders.
AUTO_TILE = 4096

#: A level's tiles show a face whole if it is at most this share of their overlap; see `mtcnn_fast.views.parts`.
REACH = 0.75

#: The overlap is at least this many times the smallest face, so that every face is found on some level.
FACES = 3

#: Where the overlap is not given, it is no more than this: what is shared is searched twice.
MOST_OVERLAP = 512

Tiles = int | Literal["auto"]


@dataclasses.dataclass(frozen=True, slots=True)
class TileSide:
    """A check: the side of square tiles, or ``"auto"``."""

    accepted = "a whole number of at least 64 or 'auto'"
    plural = accepted

    def __call__(self, name: str, value: object) -> Tiles:
        """Return the side, or raise `ConfigError`."""
        if isinstance(value, str) and value == "auto":
            return "auto"
        if isinstance(value, str) or not isinstance(value, numbers.Integral):
            refuse_type(name, self.accepted, value)
        if int(value) < 64:
            refuse(name, self.accepted, value)
        return Count(64)(name, value)


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A check: a rectangle with an area."""

    accepted = "x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2"
    plural = accepted

    def __call__(self, name: str, value: object) -> tuple[float, ...]:
        """Return the corners, or raise `ConfigError`."""
        corners = Tuple(Number(), 4)(name, value)
        if corners[0] >= corners[2] or corners[1] >= corners[3]:
            refuse(name, self.accepted, value)
        return corners


@dataclasses.dataclass(frozen=True, slots=True)
class Turns:
    """A check: some of `ROTATIONS`, each once."""

    accepted = f"some of {', '.join(map(str, ROTATIONS))} degrees, each once"
    plural = accepted

    def __call__(self, name: str, value: object) -> tuple[int, ...]:
        """Return the rotations, or raise `ConfigError`."""
        if isinstance(value, numbers.Number):
            refuse(name, f"a tuple of {self.accepted}, such as (0, 90)", value)
        turns = Tuple(Count(0, 270))(name, value)
        if not turns or len(set(turns)) != len(turns) or not set(turns) <= set(ROTATIONS):
            refuse(name, self.accepted, value)
        return turns


@dataclasses.dataclass(frozen=True, slots=True)
class Views:
    """Which views of an image are searched for faces.

    Attributes
    ----------
    roi : (x1, y1, x2, y2) or None
        The part of the image that is searched, in pixels of the upright image; partly covered pixels belong to it.
        Faces are those of the part cut out of the image, moved to where it lies.
    max_side : int or None
        An image, or its `roi`, whose longer side is above this is shrunk to it. The detector's face sizes
        (`min_face_size`) count pixels of the shrunk image.
    rotations : tuple of int
        Of 0, 90, 180 and 270: by how many degrees clockwise faces may be turned in the image, about, as `Face.roll`
        gives it. The image is searched once for each, turned the other way.
    tiles : int, "auto" or None
        Side in pixels of the square tiles in which larger images are searched, at least 64; ``"auto"`` is 4096.
    tile_overlap : int or None
        Pixels that two neighbouring tiles share, at most half of a tile's side and at least three times the smallest
        face; ``None`` is a quarter of the side, at most 512, or three times the smallest face.

    Raises
    ------
    ConfigError
        If a value is not accepted.
    """

    roi: tuple[float, float, float, float] | None = setting(
        None, Maybe(Region()), "Search only this part of the image.", "X1 Y1 X2 Y2"
    )
    max_side: int | None = setting(
        None, Maybe(Count(12)), "Shrink larger images to this longer side before the search.", "PIXELS"
    )
    rotations: Sequence[int] = setting((0,), Turns(), "How far faces may be turned clockwise.", "DEGREES")
    tiles: Tiles | None = setting(None, Maybe(TileSide()), "Search larger images in square tiles.", "PIXELS")
    tile_overlap: int | None = setting(None, Maybe(Count()), "What neighbouring tiles share.", "PIXELS")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.tile_overlap is not None:
            if self.tiles is None:
                raise ConfigError(f"tile_overlap must be None where tiles is None, got {self.tile_overlap}")
            Count(1, self.tile_side // 2)("tile_overlap", self.tile_overlap)

    @classmethod
    def of(
        cls,
        roi: tuple[float, float, float, float] | None,
        max_side: int | None,
        rotations: Sequence[int],
        tiles: Tiles | None,
        tile_overlap: int | None,
    ) -> Views:
        """Return views as the class makes them; the usual ones without the time that checks take."""
        usual = roi is None and max_side is None and tiles is None and tile_overlap is None
        if usual and type(rotations) is tuple and rotations == (0,):
            return WHOLE
        return cls(roi, max_side, rotations, tiles, tile_overlap)

    @property
    def whole(self) -> bool:
        """Whether an image is searched as it is, once."""
        return self is WHOLE or self == WHOLE

    @property
    def several(self) -> bool:
        """Whether one image may be searched in several parts."""
        return self.tiles is not None or tuple(self.rotations) != (0,)

    @property
    def tile_side(self) -> int:
        """Side of the tiles in pixels; only where there are tiles."""
        assert self.tiles is not None
        return AUTO_TILE if self.tiles == "auto" else self.tiles

    def overlap(self, config: DetectorConfig) -> int:
        """Return how many pixels neighbouring tiles share at least; 0 where there are no tiles."""
        if self.tiles is None or self.tile_overlap is not None:
            return self.tile_overlap or 0
        needed = min(math.ceil(FACES * config.min_face_size), self.tile_side // 2)
        return max(min(self.tile_side // 4, MOST_OVERLAP), needed)

    def check_with(self, config: DetectorConfig, *, trace: bool) -> None:
        """Check what depends on other settings.

        Raises
        ------
        ConfigError
            If the tiles' overlap is too small for the smallest face, or a trace of several searches is asked for.
        """
        if trace and not self.whole:
            raise ConfigError(
                "trace must be False with roi, max_side, rotations or tiles: it tells of one search of the whole image"
            )
        overlap = self.overlap(config)
        if self.tiles is not None and overlap < FACES * config.min_face_size:
            raise ConfigError(
                f"tile_overlap must be at least {FACES} times min_face_size={config.min_face_size:g}, got {overlap} "
                f"for tiles of {self.tile_side} pixels"
            )


#: The image as it is, once.
WHOLE = Views()
