"""The forms of requests and answers, as OpenAPI shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

IMAGE_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/avif",
    "image/heic",
    "image/gif",
    "image/bmp",
    "image/tiff",
)
MULTIPART = "multipart/form-data"


class FaceRecord(BaseModel):
    """One face."""

    box: list[float] = Field(description="Left, top, right, bottom in pixels; may leave the image.", min_length=4)
    score: float = Field(description="Probability, 0 to 1.")
    landmarks: list[list[float]] | None = Field(
        default=None,
        description="x and y of left eye, right eye, nose, left and right mouth corner; left is the viewer's left.",
    )


class FacesRecord(BaseModel):
    """The faces of one image, highest score first."""

    width: int = Field(description="Pixels of the upright image.")
    height: int
    faces: list[FaceRecord]
    seconds: dict[str, float] = Field(description="Time in queue, decode and detect.")


class BatchEntry(BaseModel):
    """The faces of one image of a batch, or why there are none."""

    name: str = Field(description="Name of the file as it was sent.")
    width: int | None = None
    height: int | None = None
    faces: list[FaceRecord] | None = None
    seconds: dict[str, float] | None = None
    error: dict[str, Any] | None = Field(default=None, description="A problem, as RFC 9457 describes it.")


class BatchRecord(BaseModel):
    """The results of a batch, in the order of its images."""

    results: list[BatchEntry]


class Status(BaseModel):
    """State of the service."""

    status: str


class ServerMetadata(BaseModel):
    """Server metadata of the Open Inference Protocol."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor of a model."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Model metadata of the Open Inference Protocol."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Live(BaseModel):
    """Whether the server lives."""

    live: bool


class Ready(BaseModel):
    """Whether the server or the model is ready."""

    ready: bool


class RequestInput(BaseModel):
    """A tensor of an inference request."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=8)
    datatype: Literal["BYTES", "UINT8"]
    parameters: dict[str, Any] | None = None
    data: list[Any] = Field(description="Base64 of image files, or pixels, nested or flat.")


class RequestOutput(BaseModel):
    """A tensor that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """An inference request."""

    id: str | None = Field(default=None, max_length=1000)
    parameters: dict[str, Any] | None = None
    inputs: list[RequestInput] = Field(min_length=1, max_length=1)
    outputs: list[RequestOutput] | None = None


class ResponseOutput(BaseModel):
    """A tensor of an inference response."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | int]


class InferenceResponse(BaseModel):
    """An inference response."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


def image_bodies(field: str, many: bool) -> dict[str, Any]:
    """Describe the body of a request with images for OpenAPI.

    Parameters
    ----------
    field : str
        Name of the field of a form.
    many : bool
        Whether there are several images, which only a form can hold.
    """
    file = {"type": "string", "format": "binary"}
    value: dict[str, Any] = {"type": "array", "items": file, "minItems": 1} if many else file
    form = {"schema": {"type": "object", "properties": {field: value}, "required": [field]}}
    raw = {} if many else {kind: {"schema": file} for kind in IMAGE_TYPES}
    return {"requestBody": {"required": True, "content": {**raw, MULTIPART: form}}}
