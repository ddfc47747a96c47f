"""The routes below ``/v1``: pictures in, faces out."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from mtcnn_fast.serving.detection import Form, Found, Wanted, as_json
from mtcnn_fast.serving.problems import ProblemError, responses
from mtcnn_fast.serving.schemas import BatchRecord, FacesRecord, image_bodies
from mtcnn_fast.serving.service import Service, require_token, service_of
from mtcnn_fast.serving.uploads import Upload, read_picture, read_pictures

router = APIRouter(dependencies=[Depends(require_token)], tags=["Detection"])

_JSON, _JPEG = "application/json", "image/jpeg"
_ERRORS = responses(400, 401, 408, 413, 415, 422, 500, 503)

MinFaceSize = Annotated[
    float | None,
    Query(ge=1, le=1_000_000, allow_inf_nan=False, description="Side in pixels of the smallest face to look for."),
]
MaxFaces = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="Keep this many faces, those with the highest scores.")
]
Landmarks = Annotated[bool, Query(description="Whether landmarks are part of the answer.")]
Format = Annotated[
    Form | None,
    Query(
        description="Form of the answer: JSON, or a JPEG with the faces marked or hidden. Without it, Accept decides."
    ),
]


@router.post(
    "/v1/detect",
    summary="Find the faces in one image",
    response_model=FacesRecord,
    responses={
        200: {
            "content": {_JPEG: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The faces, or the picture with its faces drawn, blurred or pixelated.",
        },
        **_ERRORS,
        **responses(406),
    },
    openapi_extra=image_bodies("image", many=False),
)
async def detect(
    request: Request,
    min_face_size: MinFaceSize = None,
    max_faces: MaxFaces = None,
    landmarks: Landmarks = True,
    format: Format = None,
) -> Response:
    """Answer a request with one image, as the body or as the file of a form."""
    service = service_of(request)
    wanted = Wanted(chosen_form(format, request.headers.get("accept", "")), min_face_size, max_faces, landmarks)
    service.slots.check_free()
    upload = await read_picture(request)
    with service.slots.admitted():
        found = await service.detect(request, upload.data, wanted)
    headers = {"Server-Timing": server_timing(found), "Cache-Control": "no-store"}
    if found.picture is not None:
        return Response(found.picture, media_type=_JPEG, headers=headers)
    return Response(json.dumps(as_json(found, wanted)), media_type=_JSON, headers=headers)


@router.post(
    "/v1/detect/batch",
    summary="Find the faces in several images",
    response_model=BatchRecord,
    responses=_ERRORS,
    openapi_extra=image_bodies("images", many=True),
)
async def detect_batch(
    request: Request, min_face_size: MinFaceSize = None, max_faces: MaxFaces = None, landmarks: Landmarks = True
) -> Response:
    """Answer a request with several images; one that cannot be read does not stop the others."""
    service = service_of(request)
    wanted = Wanted("json", min_face_size, max_faces, landmarks)
    service.slots.check_free()
    uploads = await read_pictures(request, service.options.max_batch)
    with service.slots.admitted():
        results = await _all(request, service, uploads, wanted)
    return Response(json.dumps({"results": results}), media_type=_JSON, headers={"Cache-Control": "no-store"})


async def _all(request: Request, service: Service, uploads: list[Upload], wanted: Wanted) -> list[dict[str, Any]]:
    """Detect in each image, at most as many at once as there are slots: a batch holds one place in the queue."""
    turns = asyncio.Semaphore(service.slots.count)

    async def one(upload: Upload) -> dict[str, Any]:
        async with turns:
            try:
                found = await service.detect(request, upload.data, wanted)
            except ProblemError as problem:
                if problem.status >= 500:
                    raise
                return {"name": upload.name, "error": problem.to_dict()}
            return {"name": upload.name, **as_json(found, wanted)}

    tasks = [asyncio.ensure_future(one(upload)) for upload in uploads]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def server_timing(found: Found) -> str:
    """Return the seconds of each stage as the header ``Server-Timing``, which has milliseconds."""
    return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in found.seconds.items())


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    kind: str
    quality: float


def chosen_form(format: Form | None, accept: str) -> Form:
    """Choose the form of the answer: by the query, else by the header ``Accept`` (RFC 9110, 12.5.1).

    Raises
    ------
    ProblemError
        406, if the header admits neither JSON nor JPEG.
    """
    if format is not None:
        return format
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [_Range("*/*", 1)]
    qualities = {kind: _quality(kind, ranges) for kind in (_JSON, _JPEG)}
    best = max(qualities, key=lambda kind: qualities[kind])
    if qualities[best] <= 0:
        raise ProblemError(
            406, "not-acceptable", f"Accept admits neither {_JSON} nor {_JPEG}, which are what there is."
        )
    return "json" if best == _JSON else "drawn"


def _range(text: str) -> _Range:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    return _Range(kind, quality)


def _quality(kind: str, ranges: list[_Range]) -> float:
    """Return what the most specific range that covers a type says."""
    for pattern in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        matching = [each.quality for each in ranges if each.kind == pattern]
        if matching:
            return max(matching)
    return 0.0
