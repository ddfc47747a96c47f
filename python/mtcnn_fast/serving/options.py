"""`ServiceOptions`: every limit of the service, its default and its check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mtcnn_fast._native import usable_processors
from mtcnn_fast.checks import Count, Maybe, Number, check_settings, setting
from mtcnn_fast.errors import ConfigError

#: The environment variable with the token that requests must carry.
TOKEN_VARIABLE = "MTCNN_FAST_TOKEN"

_SECONDS = Number(0, 3600, open_low=True)


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Limits of the service, validated on construction and immutable afterwards.

    Attributes
    ----------
    slots : int or None
        Images that are decoded and searched at once in one process; ``None`` takes the processors that the process may
        use. Each slot computes on one thread.
    queue : int
        Requests that wait for a slot; one more is answered 503.
    max_body : int
        Bytes of one image, or of a whole request that carries one.
    max_pixels : int
        Pixels of one image. A picture of the default size takes 150 MB while it is searched.
    max_batch : int
        Images in one request of a batch.
    max_batch_body : int
        Bytes of a whole request of a batch.
    max_buffered : int
        Bytes of all bodies held at once; requests beyond it are answered 503.
    max_connections : int
        Connections open at once; one more is answered 503 and closed.
    head_timeout : float
        Seconds in which the head of a request must have come.
    body_timeout : float
        Seconds in which the body must have come.
    queue_timeout : float
        Seconds that a request waits for a slot at most, before it is answered 503.
    drain_delay : float
        Seconds after SIGTERM in which requests are still accepted while ``/readyz`` says 503, so that a load balancer
        notices.
    drain_timeout : float
        Seconds that requests under way are given to end, after that.
    token : str or None
        What requests must carry as ``Authorization: Bearer TOKEN``; ``None`` asks for nothing.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and the accepted range.
    """

    slots: int | None = setting(None, Maybe(Count(1, 1024)), "Images searched at once; if not given, processors.", "N")
    queue: int = setting(64, Count(0, 100_000), "Requests that wait for a slot; one more is answered 503.", "N")
    max_body: int = setting(20_000_000, Count(), "Largest image file.", "BYTES")
    max_pixels: int = setting(50_000_000, Count(), "Refuse images with more pixels.", "N")
    max_batch: int = setting(64, Count(1, 10_000), "Most images in a batch.", "N")
    max_batch_body: int = setting(100_000_000, Count(), "Largest body of a batch.", "BYTES")
    max_buffered: int = setting(400_000_000, Count(), "Most bytes of all bodies held at once.", "BYTES")
    max_connections: int = setting(1000, Count(), "Most connections open at once.", "N")
    head_timeout: float = setting(10, _SECONDS, "Time for the head of a request to come.", "SECONDS")
    body_timeout: float = setting(30, _SECONDS, "Time for the body of a request to come.", "SECONDS")
    queue_timeout: float = setting(20, _SECONDS, "Longest wait for a slot.", "SECONDS")
    drain_delay: float = setting(
        1, Number(0, 3600), "Time after SIGTERM with /readyz at 503 while requests are still accepted.", "SECONDS"
    )
    drain_timeout: float = setting(30, _SECONDS, "Time for requests under way to end, after that.", "SECONDS")
    token: str | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_settings(self)
        _check_token(self.token)

    def slots_or_processors(self) -> int:
        """Return the number of slots, counted where it was not given."""
        return self.slots or usable_processors()


def detector_settings(settings: Mapping[str, Any], options: ServiceOptions) -> dict[str, Any]:
    """Return a detector's settings with those that the service decides: one thread an image, and a limit of pixels.

    Raises
    ------
    ConfigError
        If `num_threads` or `max_pixels` is among the settings given.
    """
    for name, instead in (("num_threads", "slots"), ("max_pixels", "max_pixels")):
        if name in settings:
            raise ConfigError(
                f"{name} must not be a setting of a service's detector, got {settings[name]!r}: "
                f"ServiceOptions has {instead}"
            )
    return {**settings, "num_threads": 1, "max_pixels": options.max_pixels}


def _check_token(token: object) -> None:
    if token is None:
        return
    # The value itself is a secret: no message shows it.
    if not isinstance(token, str) or len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("token must be at least 8 printable ASCII characters without spaces; the one given is not")
