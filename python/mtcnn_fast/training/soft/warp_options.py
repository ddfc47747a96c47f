"""`WarpOptions`: how much windows are changed at random."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.checks import check_number
from mtcnn_fast.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class WarpOptions:
    """How much windows are changed.

    Attributes
    ----------
    flip, warp, cover : float
        Probabilities of a mirror image; of rotation, zoom and shift; of a covered patch. In [0, 1].
    rotation, zoom, shift : float
        Standard deviations: of the angle in degrees, of the zoom's logarithm, of the shift in units of the window.
    contrast, color, brightness : float
        Standard deviations: of the logarithm of the gain of all channels and of each, and of what is added, of 255.
    cover_side : tuple of 2 float
        Least and greatest side of a covered patch, in units of the window.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    flip: float = 0.5
    warp: float = 0.5
    cover: float = 0.1
    rotation: float = 6.0
    zoom: float = 0.08
    shift: float = 0.035
    contrast: float = 0.2
    color: float = 0.06
    brightness: float = 0.05
    cover_side: tuple[float, ...] = (0.15, 0.45)

    def __post_init__(self) -> None:
        for name in ("flip", "warp", "cover", "rotation", "zoom", "shift", "contrast", "color", "brightness"):
            value = check_number(name, getattr(self, name), low=0.0)
            if name in ("flip", "warp", "cover") and value > 1:
                raise ConfigError(f"{name} must be from 0 to 1, got {value!r}")
        sides = tuple(check_number("cover_side", side, low=0.0) for side in self.cover_side)
        if len(sides) != 2 or not sides[0] <= sides[1] <= 1:
            raise ConfigError(f"cover_side must be two rising numbers from 0 to 1, got {self.cover_side!r}")
        object.__setattr__(self, "cover_side", sides)
