"""`SampleOptions`: every setting of the making of samples, its default and its check."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.checks import Count, Flag, Number, Tuple, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.samples.sample_set import SampleKind


@dataclasses.dataclass(frozen=True, slots=True)
class SampleOptions:
    """Settings of `make_samples`, validated on construction and immutable afterwards.

    Attributes
    ----------
    total : int
        How many samples to aim for. There are fewer where the images do not have them.
    ratio : tuple of 4 float
        Shares of negatives, positives, parts and landmark faces in `total` (Zhang et al. 2016: 3, 1, 1, 2).
    min_face : float
        Longer side in pixels of the smallest face to learn from; smaller ones are no background either.
    scale_jitter : tuple of 2 float
        Windows around a face have sides from the first times its shorter to the second times its longer side.
    shift_jitter : float
        Most by which the middle of such a window is moved, in units of the face.
    near : float
        Share of P-Net's negatives that lie near a face or on a part of it; the others are anywhere. In [0, 1].
    top_up : bool
        For R-Net and O-Net: whether faces that the previous stages propose too few windows for get windows with jitter
        besides. Without it, faces that P-Net does not find are never learned.
    thresholds : tuple of 2 float
        For R-Net and O-Net: least scores of P-Net and R-Net for proposals. Lower than at detection, so that there is
        more to learn from.
    min_face_size : float
        For R-Net and O-Net: as of `DetectorConfig`.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    total: int = setting(210_000, Count())
    ratio: tuple[float, ...] = setting((3.0, 1.0, 1.0, 2.0), Tuple(Number(0), 4))
    min_face: float = setting(12, Number(1))
    # Windows of other sizes never overlap their face by 0.65.
    scale_jitter: tuple[float, ...] = setting((0.8, 1.25), Tuple(Number(0.25, 4), 2))
    shift_jitter: float = setting(0.2, Number(0, 1))
    near: float = setting(0.4, Number(0, 1))
    top_up: bool = setting(True, Flag())
    thresholds: tuple[float, ...] = setting((0.5, 0.3), Tuple(Number(0, 1), 2))
    min_face_size: float = setting(15, Number(1))

    def __post_init__(self) -> None:
        check_settings(self)
        if not sum(self.ratio):
            raise ConfigError(f"ratio must have a number above 0, got {self.ratio!r}")
        low, high = self.scale_jitter
        if low > high:
            raise ConfigError(f"scale_jitter must rise, got {self.scale_jitter!r}")

    def targets(self) -> dict[SampleKind, int]:
        """Return how many samples of each kind to aim for; they add up to at most `total`."""
        unit = self.total / sum(self.ratio)
        return {kind: int(unit * self.ratio[kind] + 1e-9) for kind in SampleKind}
