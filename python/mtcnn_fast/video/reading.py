"""How a video is read."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.checks import Maybe, Number, check_settings, setting
from mtcnn_fast.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """How a video is read, validated on construction.

    Attributes
    ----------
    start, stop : float or None
        Seconds since the video's start: the first frame that is read, and the first that is not.
    fps : float or None
        Frames a second of a sequence of images, which names none; 25 if None.
    timeout : float or None
        Seconds for which a network stream or camera may be silent; ``None`` waits for ever.
    reconnect : float
        Seconds for which a live stream that broke off is tried again; 0 does not try.

    Raises
    ------
    ConfigError
        If a value is not accepted.
    """

    start: float | None = setting(None, Maybe(Number(0)), "Seconds at which to start.", "SECONDS")
    stop: float | None = setting(None, Maybe(Number(0)), "Seconds at which to stop.", "SECONDS")
    fps: float | None = setting(None, Maybe(Number(0, 1000, open_low=True)), "Frames a second of images.", "RATE")
    timeout: float | None = setting(10.0, Maybe(Number(0, open_low=True)), "Seconds a stream may be silent.", "SECONDS")
    reconnect: float = setting(30.0, Number(0), "Seconds for which a broken stream is tried again.", "SECONDS")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise ConfigError(f"stop must be above start={self.start:g}, got {self.stop!r}")
