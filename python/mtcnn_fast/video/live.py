"""Streams without an end, opened again where they break off."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from mtcnn_fast.errors import VideoError
from mtcnn_fast.video.frames import Decoded
from mtcnn_fast.video.reader import Damage, Item, Sound

if TYPE_CHECKING:
    from mtcnn_fast.video.reading import Reading

_LOGGER = logging.getLogger("mtcnn_fast")

#: Seconds before the first attempt to open a stream again, and the longest wait between two.
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


class Connection(Protocol):
    """An open stream."""

    damage: Damage
    rate: Fraction | None
    sounds: list[Any]

    def __iter__(self) -> Iterator[Item]:
        """Yield frames and packets of audio."""

    def close(self) -> None:
        """Close it."""


class Reconnecting:
    """A live stream: its times count from its first frame, and go on with the clock over interruptions.

    Parameters
    ----------
    connect : callable
        Opens the stream, or raises `VideoError`.
    name : str
        What messages call it.
    reading : Reading
    clock : callable
        `time.monotonic`.
    sleep : callable, optional
        Waits for a number of seconds; by default it wakes when the stream is cancelled.

    Raises
    ------
    VideoError
        If the stream cannot be opened at first.
    """

    is_live = True
    duration: float | None = None
    frames: int | None = None

    def __init__(
        self,
        connect: Callable[[], Connection],
        name: str,
        reading: Reading,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._connect = connect
        self._name = name
        self._reading = reading
        self._cancelled = threading.Event()
        self._clock, self._sleep = clock, sleep or self._cancelled.wait
        self._connection: Connection | None = connect()
        self.sounds = self._connection.sounds
        self.rate = self._connection.rate
        self.damage = Damage()
        # Of the last frame: its number, its time in the stream's counting, and the clock.
        self._index = -1
        self._seconds = 0.0
        self._seen = clock()

    def __iter__(self) -> Iterator[Item]:
        """Yield what the stream sends, until it is stopped, closed or gone for too long.

        Raises
        ------
        VideoError
            If it fails and does not come back in time.
        """
        problem: VideoError | None = None
        while not self._cancelled.is_set():
            connection = self._connection
            if connection is not None:
                connection.damage = self.damage
                try:
                    for item in self._continued(connection):
                        if isinstance(item, Decoded):
                            if self._reading.stop is not None and item.seconds >= self._reading.stop:
                                return
                            if self._reading.start is not None and item.seconds < self._reading.start:
                                continue
                        yield item
                    problem = None
                except VideoError as error:
                    problem = error
                connection.close()
                self._connection = None
            if not self._cancelled.is_set() and not self._came_back(problem):
                if problem is not None:
                    raise problem
                return

    def _continued(self, connection: Connection) -> Iterator[Item]:
        """Yield what one connection sends, numbered and timed after what came before it."""
        shift: float | None = None
        for item in connection:
            if isinstance(item, Sound):
                if shift is not None:
                    yield _later(item, shift)
                continue
            now = self._clock()
            if shift is None:
                # The first frame of the first connection is the start; later connections have missed what passed.
                gap = 0.0 if self._index < 0 else max(now - self._seen, 0.001)
                shift = self._seconds + gap - item.seconds
            self._index += 1
            self._seconds = max(self._seconds, item.seconds + shift)
            self._seen = now
            pts = item.pts + round(shift / item.time_base)
            yield dataclasses.replace(item, index=self._index, seconds=self._seconds, pts=pts)

    def _came_back(self, problem: VideoError | None) -> bool:
        """Try to open the stream again, until the time for that is over."""
        end = self._clock() + self._reading.reconnect
        wait = FIRST_WAIT
        while not self._cancelled.is_set() and (left := end - self._clock()) > 0:
            self._sleep(min(wait, left))
            try:
                self._connection = self._connect()
            except VideoError:
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            _LOGGER.warning("%s: broke off and was opened again (%s)", self._name, problem or "it had ended")
            return True
        return False

    def cancel(self) -> None:
        """Ask the iteration to end; another thread may call this."""
        self._cancelled.set()

    def close(self) -> None:
        """Close the stream; no thread may be reading it."""
        self._cancelled.set()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _later(sound: Sound, shift: float) -> Sound:
    packet = sound.packet
    ticks = round(shift / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
    return Sound(packet, sound.stream, None if sound.seconds is None else sound.seconds + shift)
