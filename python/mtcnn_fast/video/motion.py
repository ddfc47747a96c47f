"""Where faces move: a Kalman filter of constant velocity for each track, all at once."""

from __future__ import annotations

import numpy as np

from mtcnn_fast._types import Bools, Doubles, Floats, Indices

#: Deviation of a measured coordinate, in heights of the box.
MEASURED = 0.05

#: Deviation by which position and velocity wander within a second, in heights (and heights a second). These and
#: `MEASURED` are the constants of DeepSORT and ByteTrack (Wojke et al. 2017), which hold for frames at 30 a second.
WANDER, ACCELERATION = 0.27, 1.0

#: Deviation of the velocity of a new track, in heights a second.
FIRST_VELOCITY = 1.9


class Motion:
    """Centres, sizes and velocities of tracks.

    Each of the four coordinates (centre x and y, width, height) has a filter of its own, with a state of two numbers.
    """

    def __init__(self) -> None:
        self.state = np.empty((0, 4))
        self.velocity = np.empty((0, 4))
        # Variance of the coordinate, covariance with its velocity, variance of the velocity; the same for all four.
        self._spread = np.empty((0, 3))

    def __len__(self) -> int:
        return len(self.state)

    @property
    def boxes(self) -> Floats:
        """Corners ``(T, 4)`` float32 where the tracks are now."""
        half = self.state[:, 2:] / 2
        return np.concatenate([self.state[:, :2] - half, self.state[:, :2] + half], axis=1).astype(np.float32)

    def advance(self, seconds: float) -> None:
        """Move all tracks on by a time."""
        self.state = self.state + self.velocity * seconds
        self.state[:, 2:] = np.maximum(self.state[:, 2:], 1)
        size = self.state[:, 3] ** 2
        place, mixed, speed = self._spread.T
        self._spread = np.stack(
            [
                place + 2 * seconds * mixed + seconds**2 * speed + size * WANDER**2 * seconds,
                mixed + seconds * speed,
                speed + size * ACCELERATION**2 * seconds,
            ],
            axis=1,
        )

    def measure(self, rows: Indices, boxes: Floats) -> None:
        """Correct tracks by where their faces were found."""
        size = self.state[rows, 3] ** 2
        place, mixed, speed = self._spread[rows].T
        total = place + size * MEASURED**2
        gain, gain_of_velocity = place / total, mixed / total
        missed = _centred(boxes) - self.state[rows]
        self.state[rows] += gain[:, None] * missed
        self.velocity[rows] += gain_of_velocity[:, None] * missed
        self._spread[rows] = np.stack(
            [(1 - gain) * place, (1 - gain) * mixed, speed - gain_of_velocity * mixed], axis=1
        )

    def coast(self, rows: Indices) -> None:
        """Keep the size of tracks that were not found: an error in its velocity would grow."""
        self.velocity[rows, 2:] = 0

    def add(self, boxes: Floats) -> None:
        """Start tracks."""
        state = _centred(boxes)
        size = state[:, 3] ** 2
        spread = np.stack([4 * size * MEASURED**2, np.zeros(len(size)), size * FIRST_VELOCITY**2], axis=1)
        self.state = np.concatenate([self.state, state])
        self.velocity = np.concatenate([self.velocity, np.zeros_like(state)])
        self._spread = np.concatenate([self._spread, spread])

    def keep(self, kept: Bools) -> None:
        """Forget all other tracks."""
        self.state, self.velocity, self._spread = self.state[kept], self.velocity[kept], self._spread[kept]


def _centred(boxes: Floats) -> Doubles:
    corners = boxes.astype(np.float64)
    extents = np.maximum(corners[:, 2:] - corners[:, :2], 1)
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, extents], axis=1)
