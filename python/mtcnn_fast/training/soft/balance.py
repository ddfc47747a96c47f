"""Which windows make up each minibatch: balanced by size, image and face, and within that by what is still wrong."""

from __future__ import annotations

import numpy as np

from mtcnn_fast._types import Doubles, Indices
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.soft.labels import BACKGROUND_BELOW
from mtcnn_fast.training.soft.options import BalanceOptions
from mtcnn_fast.training.soft.window_set import WindowSet

#: Error that a window is taken to have before it was ever seen.
_FIRST_ERROR = 0.5
#: Sizes count by half octaves from this side in pixels on.
_SMALLEST = 12.0
_CLASSES = 10
#: Side in pixels from which faces count as large.
_LARGE = 24.0
#: A size, image or face is never taken to be rarer than this, so that no window is drawn without end.
_LEAST_SHARE = 0.01
#: Windows an image, and windows a face, to which others are compared.
_PER_IMAGE, _PER_FACE = 100.0, 5.0


class Balance:
    """Draws minibatches.

    Parameters
    ----------
    windows : WindowSet
    options : BalanceOptions
    seed : int
        The minibatch of a step is a function of the seed, the step and `errors`.

    Attributes
    ----------
    errors : (n,) float32
        Last error of each window.
    """

    def __init__(self, windows: WindowSet, options: BalanceOptions, seed: int) -> None:
        self.options = options
        self.errors = np.full(len(windows), _FIRST_ERROR, np.float32)
        self._seed = seed
        known = windows.rows.overlap >= 0
        self._known, self._marked = np.flatnonzero(known), _usual(windows, np.flatnonzero(~known), options.eyes)
        if not len(self._known) + len(self._marked):
            raise ConfigError(f"eyes must leave a window to train on, got {options.eyes!r}")
        self._weights = _weights(windows, options)[self._known]
        self._limits: Doubles = np.empty(0)

    def refresh(self) -> None:
        """Draw by the errors as they are now, until the next call."""
        chances = (self.errors[self._known] + self.options.least_error) * self._weights
        self._limits = np.cumsum(chances, dtype=np.float64)

    def indices(self, step: int, size: int) -> Indices:
        """Return the minibatch of a step: indices ``(size,)``, those of landmark lists last."""
        rng = np.random.default_rng([self._seed, step, 1])
        marked = round(size * self.options.landmark_share) if len(self._marked) else 0
        if not len(self._known):
            marked = size
        parts = [self._marked[rng.integers(len(self._marked), size=marked)]] if marked else []
        if marked < size:
            places = np.searchsorted(self._limits, rng.random(size - marked) * self._limits[-1])
            parts.insert(0, self._known[places.clip(max=len(self._known) - 1)])
        return np.concatenate(parts)


def _usual(windows: WindowSet, indices: Indices, eyes: tuple[float, ...]) -> Indices:
    """Return those of the windows in which the eyes are as far apart as is wanted, in widths of the window."""
    points, corners = windows.rows.points[indices], windows.rows.corners[indices]
    apart = np.linalg.norm(points[:, 0] - points[:, 1], axis=1) / (corners[:, 2] - corners[:, 0])
    # Where they are unknown, a window stays.
    outside = (apart <= eyes[0]) | (apart >= eyes[1])
    return np.asarray(indices[~outside])


def _weights(windows: WindowSet, options: BalanceOptions) -> Doubles:
    rows = windows.rows
    side = np.maximum(rows.corners[:, 2] - rows.corners[:, 0], 1)
    octave = np.clip(np.floor(2 * np.log2(side / _SMALLEST)), 0, _CLASSES - 1).astype(np.int64)
    known = rows.overlap >= 0
    shares = np.bincount(octave[known], minlength=_CLASSES) / max(1, int(np.count_nonzero(known)))
    weights = np.maximum(shares, _LEAST_SHARE)[octave] ** -options.size
    per_image: Doubles = np.bincount(rows.image)[rows.image].astype(np.float64)
    weights *= (per_image / _PER_IMAGE) ** -options.image
    shows_face = rows.overlap > BACKGROUND_BELOW
    _, group = np.unique(np.stack([rows.image, rows.face]), axis=1, return_inverse=True)
    per_face: Doubles = np.bincount(group.ravel(), weights=shows_face).clip(min=1)[group.ravel()]
    weights[shows_face] *= (per_face[shows_face] / _PER_FACE) ** -options.face
    weights[shows_face] *= np.maximum(side[shows_face] / _LARGE, 1) ** options.large
    return np.asarray(weights / weights.mean())
