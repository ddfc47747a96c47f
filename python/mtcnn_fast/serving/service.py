"""`Service`: what the routes share."""

from __future__ import annotations

import functools
import hmac
import io
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from mtcnn_fast._types import Image
from mtcnn_fast.detector import Detector
from mtcnn_fast.serving.detection import Detectors, Found, Wanted
from mtcnn_fast.serving.metrics import Metrics
from mtcnn_fast.serving.options import ServiceOptions
from mtcnn_fast.serving.problems import ProblemError
from mtcnn_fast.serving.slots import Slots


class Service:
    """The detectors, the slots and the state of one application.

    Parameters
    ----------
    settings : mapping
        Keyword arguments of `Detector`.
    options : ServiceOptions
    """

    def __init__(self, settings: Mapping[str, Any], options: ServiceOptions) -> None:
        self.options = options
        self.slots = Slots(options.slots_or_processors(), options.queue, options.queue_timeout)
        self.metrics = Metrics(self.slots)
        self._make = functools.partial(_make, dict(settings))
        self.detectors = Detectors(self._make)
        self._closed = False
        self.warm = False
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether requests are to be sent here."""
        return self.warm and not self.draining

    def start(self) -> None:
        """Take requests, after `close` too."""
        if self._closed:
            self.slots.start()
            self.detectors = Detectors(self._make)
            self._closed = self.draining = False

    def warm_up(self) -> None:
        """Make every part of the first request's work, so that it takes no longer than others."""
        import numpy as np
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file, "JPEG")
        self.detectors.detect_file(file.getvalue(), Wanted("drawn"), 0)
        self.warm = True

    def authorize(self, request: Request) -> None:
        """Refuse a request without the token, if there is one.

        Raises
        ------
        ProblemError
            401, the same for a missing and a wrong token.
        """
        token = self.options.token
        if token is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # compare_digest takes a time that does not depend on where two values differ.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode("ascii"))
        if scheme.lower() != "bearer" or not same:
            detail = "The request must carry 'Authorization: Bearer TOKEN' with the token of this service."
            raise ProblemError(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})

    async def detect(self, request: Request, data: bytes, wanted: Wanted) -> Found:
        """Find the faces in an image file, in a slot; the caller holds a place."""
        job = functools.partial(self.detectors.detect_file, data, wanted)
        return self._counted(await self.slots.run(job, request.receive))

    async def detect_pixels(self, request: Request, image: Image) -> Found:
        """Find the faces in pixels, in a slot."""
        found = await self.slots.run(lambda _waited: self.detectors.detect_pixels(image), request.receive)
        return self._counted(found)

    def _counted(self, found: Found) -> Found:
        self.metrics.found(found.seconds, len(found.faces))
        return found

    def close(self) -> None:
        """Let go of everything."""
        self.warm, self._closed = False, True
        self.slots.close()
        self.detectors.own.close()


def service_of(request: Request) -> Service:
    """Return the service that answers a request."""
    service: Service = request.app.state.service
    return service


async def require_token(request: Request) -> None:
    """Refuse a request without the token; a dependency of routes, which would run on a thread if it were not async."""
    service_of(request).authorize(request)


def _make(settings: Mapping[str, Any], **replaced: Any) -> Detector:
    return Detector(**{**settings, **replaced})
