"""Tracks: which faces of consecutive frames are the same."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mtcnn_fast._types import Bools, Doubles, Floats, Indices
from mtcnn_fast.checks import Count, Maybe, Number, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.video.assignment import best_pairs
from mtcnn_fast.video.motion import Motion

if TYPE_CHECKING:
    from mtcnn_fast.faces import Faces

#: Least overlap with a face of a low score: as it starts no track, it needs more evidence to continue one.
LEAST_OF_LOW = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Tracking:
    """Settings of a `Tracker`, validated on construction and immutable afterwards.

    Attributes
    ----------
    high : float or None
        Least score of a face that starts a track, 0 to 1. ``None``: in `mtcnn_fast.Detector.detect_video` the
        detector's last threshold, in a `Tracker` of your own every face.
    low : float
        Least score of a face that continues a track, 0 to 1. `mtcnn_fast.Detector.detect_video` runs the last network
        with this threshold where it is below the detector's.
    min_overlap : float
        Least intersection over union of a face with the place where its track is expected, 0 to 1.
    min_hits : int
        Number of times that a face is found before it is reported, at least 1. With 2, what is taken for a face in one
        frame only is left out, and so is the first frame of each track.
    max_gap : float
        Seconds for which a track that is not found is remembered, at least 0.
    detect_every : int
        The whole cascade runs on each n-th frame, at least 1. In the frames between, the last two networks alone look
        where the tracks are expected; where they lose one, the whole cascade runs on that frame too. New faces appear
        in frames of the whole cascade only.
    fill : float
        Seconds for which a track that is not found is reported where it is expected, with the score 0; at least 0. To
        hide faces rather than to count them.
    smoothing : float
        Share of the track's earlier box and landmarks, moved by its velocity, in what is reported; from 0, which
        reports what was found, to below 1.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    high: float | None = setting(None, Maybe(Number(0, 1)), "Least score of a face that starts a track.")
    low: float = setting(0.3, Number(0, 1), "Least score of a face that continues a track.")
    min_overlap: float = setting(0.2, Number(0, 1, open_low=True), "Least overlap with the place that is expected.")
    min_hits: int = setting(1, Count(), "Times that a face is found before it is reported.")
    max_gap: float = setting(1.0, Number(0), "Seconds for which a track is remembered.")
    detect_every: int = setting(1, Count(), "Run the whole cascade on each n-th frame.")
    fill: float = setting(0.0, Number(0), "Seconds for which a face that is lost is reported where it is expected.")
    smoothing: float = setting(0.0, Number(0, 1, open_high=True), "Share of the track's earlier box.")

    def __post_init__(self) -> None:
        check_settings(self)


class Tracker:
    """Gives the faces of consecutive frames numbers, so that a number stands for one face.

    Faces are matched with tracks by overlap in two stages: first those with high scores, then those with low scores
    with the tracks that are left (ByteTrack, Zhang et al. 2022). Where a track is expected follows from a Kalman filter
    of constant velocity. A track that is not found is remembered for `Tracking.max_gap`; one that was found only once
    is forgotten at once.

    Parameters
    ----------
    settings : Tracking, optional

    Examples
    --------
    >>> tracker = Tracker()
    >>> faces = tracker.update(detector.detect(picture), seconds=1.5)
    >>> faces.ids
    """

    def __init__(self, settings: Tracking | None = None) -> None:
        if settings is not None and not isinstance(settings, Tracking):
            raise ConfigError(f"settings must be Tracking, got {settings!r} ({type(settings).__name__})")
        self.settings = settings or Tracking()
        self._motion = Motion()
        self._now: float | None = None
        self._next_id = 1
        self._ids = np.empty(0, np.int64)
        self._found = np.empty(0)
        self._hits = np.empty(0, np.int64)
        # As reported last, relative to the box: corners of the face's landmarks move and grow with it.
        self._landmarks = np.empty((0, 5, 2))

    def __len__(self) -> int:
        return len(self._ids)

    def expect(self, seconds: float) -> Floats:
        """Return where the tracks are expected at a time.

        Parameters
        ----------
        seconds : float
            Not before that of the last call.

        Returns
        -------
        boxes : (T, 4) float32
            Corners in pixels; they may leave the picture.

        Raises
        ------
        ConfigError
            If the time is before that of the last call.
        """
        now = Number()("seconds", seconds)
        if self._now is not None and now < self._now:
            raise ConfigError(f"seconds must not be before those of the last frame, {self._now!r}, got {seconds!r}")
        if self._now is not None and now > self._now:
            self._motion.advance(now - self._now)
        self._now = now
        return self._motion.boxes

    def would_lose(self, faces: Faces) -> bool:
        """Tell whether a track that was found in the last frame is not among faces, at the time of `expect`."""
        if not len(self._found):
            return False
        track_of = self._matched(faces, self._is_high(faces), self._motion.boxes)
        last = np.flatnonzero(self._found >= self._found.max())
        return not np.isin(last, track_of).all()

    def _is_high(self, faces: Faces) -> Bools:
        least = self.settings.high
        return np.ones(len(faces), bool) if least is None else np.asarray(faces.scores > least)

    def update(self, faces: Faces, seconds: float) -> Faces:
        """Match the faces of the next frame with the tracks.

        Parameters
        ----------
        faces : Faces
        seconds : float
            Time of the frame, not before that of the last one.

        Returns
        -------
        Faces
            With ``ids``: those with a high score, and those with a low score that continue a track, in the order of
            `faces`, from `Tracking.min_hits` on; then those that `Tracking.fill` adds.

        Raises
        ------
        ConfigError
            If the time is before that of the last frame.
        """
        expected = self.expect(seconds)
        high = self._is_high(faces)
        track_of = self._matched(faces, high, expected)
        found = np.flatnonzero(track_of >= 0)
        rows = track_of[found]
        self._motion.measure(rows, faces.boxes[found])
        self._found[rows] = seconds
        self._hits[rows] += 1
        new = np.flatnonzero((track_of < 0) & high)
        track_of[new] = self._start(faces.boxes[new], seconds)
        reported = np.flatnonzero(track_of >= 0)
        reported = reported[self._hits[track_of[reported]] >= self.settings.min_hits]
        result = self._reported(faces[reported], track_of[reported], expected)
        self._forget(seconds)
        return self._filled(result, seconds)

    def _matched(self, faces: Faces, high: Bools, expected: Floats) -> Indices:
        """Return the track of each face, or -1."""
        track_of = np.full(len(faces), -1, np.int64)
        gains = iou_matrix(faces.boxes.astype(np.float64), expected.astype(np.float64), inclusive=False)
        seen = np.ones(len(expected), bool)
        if len(expected):
            # Low scores continue what was there a moment ago only.
            seen = self._found >= self._found.max()
        for chosen, tracks, least in (
            (high, np.ones(len(expected), bool), self.settings.min_overlap),
            (~high & (faces.scores > self.settings.low), seen, max(LEAST_OF_LOW, self.settings.min_overlap)),
        ):
            free = tracks & ~np.isin(np.arange(len(expected)), track_of)
            rows, columns = np.flatnonzero(chosen), np.flatnonzero(free)
            first, second = best_pairs(gains[np.ix_(rows, columns)], least)
            track_of[rows[first]] = columns[second]
        return track_of

    def _start(self, boxes: Floats, seconds: float) -> Indices:
        rows = np.arange(len(self._ids), len(self._ids) + len(boxes))
        self._motion.add(boxes)
        self._ids = np.concatenate([self._ids, np.arange(self._next_id, self._next_id + len(boxes))])
        self._found = np.concatenate([self._found, np.full(len(boxes), seconds)])
        self._hits = np.concatenate([self._hits, np.ones(len(boxes), np.int64)])
        self._landmarks = np.concatenate([self._landmarks, np.zeros((len(boxes), 5, 2))])
        self._next_id += len(boxes)
        return rows

    def _reported(self, faces: Faces, rows: Indices, expected: Floats) -> Faces:
        """Return found faces with ids, mixed with their tracks' earlier ones as far as that is wanted."""
        boxes, landmarks = faces.boxes, faces.landmarks
        known = rows < len(expected)
        share = self.settings.smoothing * known[:, None]
        if self.settings.smoothing:
            before = (
                np.where(known[:, None], expected[np.minimum(rows, len(expected) - 1)], boxes)
                if len(expected)
                else boxes
            )
            boxes = (share * before + (1 - share) * boxes).astype(np.float32)
            points = _placed(self._landmarks[rows], before)
            landmarks = (share[..., None] * points + (1 - share[..., None]) * landmarks).astype(np.float32)
        corner, extent = boxes[:, None, :2], np.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1e-6)
        self._landmarks[rows] = (landmarks - corner) / extent
        return faces._with(boxes=boxes, landmarks=landmarks, ids=self._ids[rows])

    def _forget(self, seconds: float) -> None:
        missed = self._found < seconds
        self._motion.coast(np.flatnonzero(missed))
        keep = ~missed | ((self._hits > 1) & (seconds - self._found <= self.settings.max_gap))
        self._motion.keep(keep)
        for name in ("_ids", "_found", "_hits", "_landmarks"):
            setattr(self, name, getattr(self, name)[keep])

    def _filled(self, faces: Faces, seconds: float) -> Faces:
        """Add the tracks that were not found, where they are expected."""
        lost = (self._found < seconds) & (seconds - self._found <= self.settings.fill)
        rows = np.flatnonzero(lost & (self._hits >= self.settings.min_hits))
        if not len(rows):
            return faces
        boxes = self._motion.boxes[rows]
        landmarks = _placed(self._landmarks[rows], boxes)
        added = type(faces)(boxes, np.zeros(len(rows)), landmarks, faces.image_size, ids=self._ids[rows])
        return faces + added


def _placed(landmarks: Doubles, boxes: Floats) -> Floats:
    """Return landmarks in pixels of those that are relative to boxes."""
    points = boxes[:, None, :2] + landmarks * (boxes[:, None, 2:] - boxes[:, None, :2])
    return np.asarray(points, np.float32)
