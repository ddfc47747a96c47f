"""Probes, metrics, and what the page must know."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from mtcnn_fast._version import __version__
from mtcnn_fast.serving.metrics import CONTENT_TYPE
from mtcnn_fast.serving.problems import ProblemError, responses
from mtcnn_fast.serving.schemas import Live, Ready, Status
from mtcnn_fast.serving.service import require_token, service_of

router = APIRouter(tags=["State"])


@router.get("/healthz", summary="Whether the process lives", response_model=Status)
async def healthz() -> dict[str, str]:
    """Answer as long as the process can."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether requests are to be sent here", response_model=Status, responses=responses(503))
async def readyz(request: Request) -> dict[str, str]:
    """Answer 503 until the detector is warm, and while the service drains."""
    check_ready(request)
    return {"status": "ready"}


@router.get("/v2/health/live", summary="Whether the process lives", response_model=Live)
async def live() -> dict[str, bool]:
    """Answer as long as the process can, by the Open Inference Protocol."""
    return {"live": True}


@router.get(
    "/v2/health/ready", summary="Whether requests are to be sent here", response_model=Ready, responses=responses(503)
)
async def ready(request: Request) -> dict[str, bool]:
    """Answer as ``/readyz``, by the Open Inference Protocol."""
    check_ready(request)
    return {"ready": True}


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    dependencies=[Depends(require_token)],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Counters"},
        **responses(401),
    },
)
async def metrics(request: Request) -> Response:
    """Return what was counted."""
    return Response(service_of(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@router.get(
    "/v1/limits",
    summary="What requests may hold",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "Limits and defaults"}
    },
)
async def limits(request: Request) -> Response:
    """Return limits and defaults; they need no token, so that a page can ask for one."""
    service = service_of(request)
    options, config = service.options, service.detectors.own.config
    facts: dict[str, Any] = {
        "version": __version__,
        "device": service.detectors.own.backend,
        "max_body": options.max_body,
        "max_batch": options.max_batch,
        "max_pixels": config.max_pixels,
        "min_face_size": config.min_face_size,
        "slots": service.slots.count,
        "token": options.token is not None,
    }
    return Response(json.dumps(facts), media_type="application/json")


def check_ready(request: Request) -> None:
    """Refuse with 503 while requests are to be sent elsewhere.

    Raises
    ------
    ProblemError
        503.
    """
    service = service_of(request)
    if not service.ready:
        state = "is ending" if service.draining else "is not warm yet"
        raise ProblemError(503, "not-ready", f"The service {state}.", {"Retry-After": "1"})
