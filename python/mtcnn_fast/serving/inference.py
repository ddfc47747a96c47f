"""The Open Inference Protocol, version 2, over REST: ``/v2``."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from mtcnn_fast._version import __version__
from mtcnn_fast.serving.detection import Wanted
from mtcnn_fast.serving.health import check_ready
from mtcnn_fast.serving.problems import ClientGoneError, ProblemError, responses
from mtcnn_fast.serving.schemas import (
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    Ready,
    ServerMetadata,
)
from mtcnn_fast.serving.service import require_token, service_of
from mtcnn_fast.serving.tensors import INPUTS, OUTPUTS, outputs_of, pictures_of

MODEL = "mtcnn"
VERSION = "1"

router = APIRouter(dependencies=[Depends(require_token)], tags=["Open Inference Protocol"])

_ERRORS = responses(401, 404)


@router.get("/v2", summary="Server metadata", response_model=ServerMetadata, responses=responses(401))
async def server_metadata() -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    return {"name": "mtcnn-fast", "version": __version__, "extensions": []}


@router.get("/v2/models/{name}", summary="Model metadata", response_model=ModelMetadata, responses=_ERRORS)
@router.get(
    "/v2/models/{name}/versions/{version}", summary="Model metadata", response_model=ModelMetadata, responses=_ERRORS
)
async def model_metadata(name: str, version: str = VERSION) -> dict[str, Any]:
    """Return inputs and outputs of the model."""
    _check_model(name, version)
    return {
        "name": MODEL,
        "versions": [VERSION],
        "platform": "mtcnn_fast",
        "inputs": [{"name": "image", "datatype": kind, "shape": shape} for kind, shape in INPUTS],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in OUTPUTS.items()],
    }


@router.get(
    "/v2/models/{name}/ready",
    summary="Whether the model is ready",
    response_model=Ready,
    responses={**_ERRORS, **responses(503)},
)
@router.get(
    "/v2/models/{name}/versions/{version}/ready",
    summary="Whether the model is ready",
    response_model=Ready,
    responses={**_ERRORS, **responses(503)},
)
async def model_ready(request: Request, name: str, version: str = VERSION) -> dict[str, Any]:
    """Answer as ``/v2/health/ready``."""
    _check_model(name, version)
    check_ready(request)
    return {"ready": True}


_INFER: dict[str, Any] = {
    "summary": "Find the faces in images",
    "response_model": InferenceResponse,
    "responses": {**_ERRORS, **responses(400, 408, 413, 422, 500, 503)},
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
                }
            },
        }
    },
}


@router.post("/v2/models/{name}/infer", **_INFER)
@router.post("/v2/models/{name}/versions/{version}/infer", **_INFER)
async def infer(request: Request, name: str, version: str = VERSION) -> Response:
    """Answer an inference request.

    Its input ``image`` holds image files in base64 (BYTES) or pixels (UINT8).
    """
    _check_model(name, version)
    service = service_of(request)
    service.slots.check_free()
    request.state.body.check_length(request.headers)
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ClientGoneError from None
    with service.slots.admitted():
        # Text of many megabytes takes long to read: not on the event loop.
        asked, pictures = await asyncio.to_thread(_parse, body, service.options.max_batch)
        found = []
        for picture in pictures:
            if isinstance(picture, bytes):
                found.append(await service.detect(request, picture, Wanted()))
            else:
                found.append(await service.detect_pixels(request, picture))
    names = [output.name for output in asked.outputs] if asked.outputs else list(OUTPUTS)
    answer = InferenceResponse(
        model_name=MODEL, model_version=VERSION, id=asked.id, outputs=outputs_of([each.faces for each in found], names)
    )
    text = answer.model_dump_json(exclude_none=True)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def _parse(body: bytes, most: int) -> tuple[InferenceRequest, list[Any]]:
    try:
        asked = InferenceRequest.model_validate_json(body)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]]
        raise ProblemError(400, "invalid-request", "; ".join(faults)[:1000]) from error
    unknown = [output.name for output in asked.outputs or () if output.name not in OUTPUTS]
    if unknown:
        raise ProblemError(
            400, "unknown-output", f"There is no output {unknown[0]!r:.100}; there are {', '.join(OUTPUTS)}."
        )
    return asked, pictures_of(asked.inputs[0], most)


def _check_model(name: str, version: str) -> None:
    if name != MODEL or version != VERSION:
        raise ProblemError(404, "unknown-model", f"There is one model here, {MODEL!r} in version {VERSION!r}.")
