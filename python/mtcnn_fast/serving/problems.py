"""Errors as RFC 9457 describes them: ``application/problem+json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """What an error's body holds."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of problem: a name below /problems/, the same for every occurrence.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what is accepted.")


class ProblemError(Exception):
    """A request that cannot be answered as asked.

    Parameters
    ----------
    status : int
        HTTP status, 400 to 599.
    kind : str
        Name of the kind, such as ``"too-many-pixels"``.
    detail : str
        What was given and what is accepted.
    headers : mapping, optional
        Headers of the response.
    """

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the members of the body."""
        return {
            "type": f"/problems/{self.kind}",
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
        }


class ClientGoneError(Exception):
    """Nobody waits for the answer: the client has gone."""


def busy(detail: str, seconds: int = 1) -> ProblemError:
    """Make the refusal of a request that may succeed later."""
    return ProblemError(503, "overloaded", detail, {"Retry-After": str(seconds)})


def problem_response(problem: ProblemError, *, inference: bool = False) -> Response:
    """Render a problem; for the inference protocol with its member ``error`` beside the others."""
    body = problem.to_dict()
    if inference:
        body["error"] = problem.detail
    return Response(json.dumps(body), problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer a `ProblemError`."""
    assert isinstance(error, ProblemError)
    request.state.problem = error.kind
    return problem_response(error, inference=_is_inference(request))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer query parameters or a body that do not have the declared form."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return await on_problem(request, ProblemError(422, "invalid-request", "; ".join(faults)[:2000]))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return await on_problem(request, ProblemError(error.status_code, kind, detail, error.headers))


async def on_gone(request: Request, error: Exception) -> Response:
    """Make the answer that nobody reads."""
    request.state.problem = "client-gone"
    return Response(status_code=499)


async def on_failure(request: Request, error: Exception) -> Response:
    """Answer a fault of the service; the server logs its traceback, which holds nothing of the request's contents."""
    return await on_problem(request, ProblemError(500, "internal-error", "The service failed; its log says why."))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe errors for OpenAPI."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def _is_inference(request: Request) -> bool:
    return "/v2/" in request.url.path
