"""`WarpOptions`: how much windows are changed at random."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.checks import Number, Tuple, check_settings, setting
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

    flip: float = setting(0.5, Number(0, 1))
    warp: float = setting(0.5, Number(0, 1))
    cover: float = setting(0.1, Number(0, 1))
    rotation: float = setting(6.0, Number(0))
    zoom: float = setting(0.08, Number(0))
    shift: float = setting(0.035, Number(0))
    contrast: float = setting(0.2, Number(0))
    color: float = setting(0.06, Number(0))
    brightness: float = setting(0.05, Number(0))
    cover_side: tuple[float, ...] = setting((0.15, 0.45), Tuple(Number(0, 1), 2))

    def __post_init__(self) -> None:
        check_settings(self)
        check_rising("cover_side", self.cover_side)


def check_rising(name: str, values: tuple[float, ...], *, strictly: bool = False) -> None:
    """Raise `ConfigError` if numbers fall, or with `strictly` if two are equal."""
    if list(values) != sorted(set(values) if strictly else values):
        raise ConfigError(f"{name} must rise, got {values!r}")
