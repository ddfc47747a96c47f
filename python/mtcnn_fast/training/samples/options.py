"""`SampleOptions`: every setting of the making of samples, its default and its check."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.checks import check_count, check_number, check_probabilities
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

    total: int = 210_000
    ratio: tuple[float, ...] = (3.0, 1.0, 1.0, 2.0)
    min_face: float = 12
    scale_jitter: tuple[float, ...] = (0.8, 1.25)
    shift_jitter: float = 0.2
    near: float = 0.4
    top_up: bool = True
    thresholds: tuple[float, ...] = (0.5, 0.3)
    min_face_size: float = 15

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "total", check_count("total", self.total))
        put(self, "ratio", _numbers("ratio", self.ratio, 4))
        if not sum(self.ratio):
            raise ConfigError(f"ratio must have a number above 0, got {self.ratio!r}")
        put(self, "min_face", check_number("min_face", self.min_face, low=1.0))
        low, high = _numbers("scale_jitter", self.scale_jitter, 2)
        # Windows of other sizes never overlap their face by 0.65.
        if not 0.25 <= low <= high <= 4:
            raise ConfigError(f"scale_jitter must be rising numbers from 0.25 to 4, got {self.scale_jitter!r}")
        put(self, "scale_jitter", (low, high))
        put(self, "shift_jitter", _share("shift_jitter", self.shift_jitter))
        put(self, "near", _share("near", self.near))
        if not isinstance(self.top_up, bool):
            raise ConfigError(f"top_up must be true or false, got {self.top_up!r}")
        put(self, "thresholds", check_probabilities("thresholds", self.thresholds, 2))
        put(self, "min_face_size", check_number("min_face_size", self.min_face_size, low=1.0))

    def targets(self) -> dict[SampleKind, int]:
        """Return how many samples of each kind to aim for; they add up to at most `total`."""
        unit = self.total / sum(self.ratio)
        return {kind: int(unit * self.ratio[kind] + 1e-9) for kind in SampleKind}


def _numbers(name: str, values: object, count: int) -> tuple[float, ...]:
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise ConfigError(f"{name} must be {count} numbers of at least 0, got {values!r}")
    return tuple(check_number(f"{name}[{i}]", value, low=0.0) for i, value in enumerate(values))


def _share(name: str, value: object) -> float:
    result = check_number(name, value)
    if not 0 <= result <= 1:
        raise ConfigError(f"{name} must be from 0 to 1, got {value!r}")
    return result
