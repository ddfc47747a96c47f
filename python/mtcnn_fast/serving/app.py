"""`create_app`: the application, for uvicorn or any other ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from mtcnn_fast._version import __version__
from mtcnn_fast.optional import require
from mtcnn_fast.serving.options import ServiceOptions, detector_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mtcnn_fast.serving.service import Service

HOW_TO_GET = "pip install 'mtcnn-fast[serve]'"


def require_extra() -> None:
    """Make sure that the packages of the extra are there.

    Raises
    ------
    MissingExtraError
        If one is missing; the message names it.
    """
    for module in ("fastapi", "python_multipart", "prometheus_client"):
        require(module, "the service", HOW_TO_GET)


def create_app(settings: Mapping[str, Any] | None = None, options: ServiceOptions | None = None) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    settings : mapping, optional
        Keyword arguments of `mtcnn_fast.Detector`: device, weights and settings, but `num_threads` and `max_pixels`,
        for which there are options.
    options : ServiceOptions, optional
        Limits of the service.

    Returns
    -------
    app : fastapi.FastAPI
        Its ``state.service`` is ready when the application has started.

    Raises
    ------
    MissingExtraError
        If a package of the extra ``serve`` is missing.
    ConfigError, BackendUnavailableError, WeightsError
        As `mtcnn_fast.Detector` raises them.

    Examples
    --------
    >>> app = create_app({"min_face_size": 40}, ServiceOptions(slots=2))  # doctest: +SKIP
    """
    require_extra()
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    from mtcnn_fast.serving import api, health, inference, page, problems
    from mtcnn_fast.serving.openapi import complete
    from mtcnn_fast.serving.service import Service

    options = options or ServiceOptions()
    service = Service(detector_settings(settings or {}, options), options)
    app = FastAPI(
        title="mtcnn-fast",
        version=__version__,
        summary="Faces and five landmarks in pictures.",
        lifespan=_lifespan(service),
        # The pages that show the document load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for part in (api, inference, health, page):
        app.include_router(part.router)
    app.add_exception_handler(problems.ProblemError, problems.on_problem)
    app.add_exception_handler(problems.ClientGoneError, problems.on_gone)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(HTTPException, problems.on_http_error)
    app.add_exception_handler(Exception, problems.on_failure)
    _add_middleware(app, service)
    complete(app, token=service.options.token is not None)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    from mtcnn_fast.serving.limits import Limits
    from mtcnn_fast.serving.observer import Observer

    def limits(inner: Any) -> Limits:
        service.metrics.limits = made = Limits(inner, service.options)
        return made

    # The last one added is the first to be asked.
    app.add_middleware(limits)
    app.add_middleware(Observer, metrics=service.metrics)


def _lifespan(service: Service) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.start()
        # Probes are answered meanwhile: not ready.
        warming = asyncio.ensure_future(asyncio.to_thread(service.warm_up))
        try:
            yield
        finally:
            service.draining = True
            await warming
            await asyncio.to_thread(service.close)

    return lifespan
