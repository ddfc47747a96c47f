"""Flips and changes of light and color, applied to batches when they are loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Pixels
from mtcnn_fast.checks import Number, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind

#: Random numbers that one sample's augmentation takes.
DRAWS = 7

#: Landmarks of a mirrored face: left and right change places.
SWAPPED = (1, 0, 2, 4, 3)

#: Luma of ITU-R BT.601, as Pillow's conversion to gray.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: The value about which contrast is changed.
GRAY = np.float32(128)


@dataclasses.dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How much samples are changed.

    Attributes
    ----------
    flip : float
        Probability of a mirror image, in [0, 1].
    brightness : float
        Most that is added to or taken from all values, of 255, in [0, 1].
    contrast : float
        Most by which distances from middle gray are stretched or shrunk, in [0, 1).
    color : float
        Most by which a channel alone is strengthened or weakened, in [0, 1).
    gray : float
        Probability that all color is lost, in [0, 1].

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    flip: float = setting(0.5, Number(0, 1))
    brightness: float = setting(0.12, Number(0, 1))
    contrast: float = setting(0.3, Number(0, 1, open_high=True))
    color: float = setting(0.1, Number(0, 1, open_high=True))
    gray: float = setting(0.05, Number(0, 1))

    def __post_init__(self) -> None:
        check_settings(self)


def draw(count: int, seed: Sequence[int]) -> Floats:
    """Draw the random numbers ``(count, DRAWS)`` of as many samples, from 0 to 1.

    Parameters
    ----------
    count : int
        Samples in the whole minibatch. A process that has a part of it takes that part of the rows, so that a sample is
        changed alike however many processes there are.
    seed : sequence of int
        Such as the run's seed and the number of the step.
    """
    return np.random.default_rng(np.random.SeedSequence(list(seed))).random((count, DRAWS), np.float32)


def augment(batch: SampleBatch, draws: Floats, options: AugmentOptions | None = None) -> SampleBatch:
    """Mirror some samples and change the light and color of all.

    Parameters
    ----------
    batch : SampleBatch
    draws : (n, DRAWS) float32
        From `draw`; a row for each sample.
    options : AugmentOptions, optional

    Returns
    -------
    SampleBatch
        New arrays; `batch` is left as it is.

    Raises
    ------
    ConfigError
        If `draws` has not a row for each sample.
    """
    options = options or AugmentOptions()
    if draws.shape != (len(batch.kinds), DRAWS):
        raise ConfigError(f"draws must be of shape {(len(batch.kinds), DRAWS)}, got {draws.shape}")
    mirrored = flip(batch, draws[:, 0] < options.flip)
    return mirrored._replace(images=_relight(mirrored.images, draws[:, 1:], options))


def flip(batch: SampleBatch, which: npt.NDArray[np.bool_]) -> SampleBatch:
    """Mirror the samples of a batch where `which` (n,) says so: pixels, box offsets and landmarks.

    The left eye of the mirror image is the right eye of the original, and the corners of the mouth change places too.
    """
    images, boxes, landmarks = batch.images.copy(), batch.boxes.copy(), batch.landmarks.copy()
    images[which] = images[which, :, ::-1]
    # The zeros of other kinds stand for "none", and stay.
    with_box = which & np.isin(batch.kinds, (SampleKind.POSITIVE, SampleKind.PART))
    boxes[with_box, 0] = batch.mirror[with_box] - batch.boxes[with_box, 2]
    boxes[with_box, 2] = batch.mirror[with_box] - batch.boxes[with_box, 0]
    with_points = which & (batch.kinds == SampleKind.LANDMARK)
    landmarks[with_points] = batch.landmarks[with_points][:, SWAPPED]
    landmarks[with_points, :, 0] = 1 - landmarks[with_points, :, 0]
    return batch._replace(images=images, boxes=boxes, landmarks=landmarks)


def _relight(images: Pixels, draws: Floats, options: AugmentOptions) -> Pixels:
    signed = 2 * draws - 1
    shift = np.float32(255 * options.brightness) * signed[:, 0]
    contrast = 1 + np.float32(options.contrast) * signed[:, 1]
    gain = contrast[:, None] * (1 + np.float32(options.color) * signed[:, 2:5])
    values = images.astype(np.float32)
    gray = draws[:, 5] < options.gray
    values[gray] = (values[gray] @ LUMA)[..., None]
    gain[gray] = contrast[gray, None]
    values *= gain[:, None, None, :]
    values += (shift + GRAY * (1 - contrast))[:, None, None, None]
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)
