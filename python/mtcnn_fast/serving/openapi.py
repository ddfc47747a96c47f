"""What the OpenAPI document lacks as FastAPI makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtcnn_fast.serving.problems import ProblemDetails
from mtcnn_fast.serving.schemas import RequestInput, RequestOutput

if TYPE_CHECKING:
    from fastapi import FastAPI

_OPEN = {"/healthz", "/readyz", "/v1/limits", "/v2/health/live", "/v2/health/ready"}


def complete(app: FastAPI, *, token: bool) -> None:
    """Let an application describe its problems, the parts of its bodies, and the token if it asks for one."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in (ProblemDetails, RequestInput, RequestOutput):
                schemas.setdefault(model.__name__, model.model_json_schema(ref_template="#/components/schemas/{model}"))
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            if token:
                document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                for path, item in document["paths"].items():
                    if path not in _OPEN:
                        for operation in item.values():
                            operation["security"] = [{"token": []}]
            app.openapi_schema = document
        described: dict[str, Any] = app.openapi_schema
        return described

    # FastAPI documents this assignment; checkers of types do not allow it.
    replaced: Any = app
    replaced.openapi = openapi
