"""The pictures in the body of a request: the body itself, or the files of a form. They are held in memory only."""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from mtcnn_fast.serving.problems import ClientGoneError, ProblemError
from mtcnn_fast.serving.schemas import MULTIPART

ACCEPTED = f"the bytes of an image as image/* or application/octet-stream, or a form as {MULTIPART}"

#: Fields of a form beside its files: none is used, a few do no harm.
_MAX_FIELDS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Upload:
    """An image file as it was sent.

    Attributes
    ----------
    name : str
        The name that the client gave, for the answer only.
    data : bytes
    """

    name: str
    data: bytes


class _InMemory(MultiPartParser):
    """Keeps files in memory, where they are bounded, and none on the disk."""

    spool_max_size = 1 << 40


async def read_picture(request: Request) -> Upload:
    """Read the one picture of a request.

    Raises
    ------
    ProblemError
        400 for a damaged form, 413 and 408 for a body that is too long or slow, 415 for another kind of body, 422 for
        an empty body, or a form without exactly one file.
    ClientGoneError
        If the client has gone.
    """
    request.state.body.check_length(request.headers)
    kind = _media_type(request)
    if kind == MULTIPART:
        uploads = await _read_form(request, 1)
        return uploads[0]
    if not kind.startswith("image/") and kind != "application/octet-stream":
        given = f"got {kind}" if kind else "got no Content-Type"
        raise ProblemError(415, "unsupported-media-type", f"The body must be {ACCEPTED}; {given}.")
    try:
        data = await request.body()
    except ClientDisconnect:
        raise ClientGoneError from None
    if not data:
        raise ProblemError(422, "unreadable-image", f"The body is empty; it must be {ACCEPTED}.")
    return Upload("", data)


async def read_pictures(request: Request, most: int) -> list[Upload]:
    """Read the pictures of a form; errors as for `read_picture`, and 413 for more than `most`."""
    request.state.body.check_length(request.headers)
    kind = _media_type(request)
    if kind != MULTIPART:
        raise ProblemError(
            415, "unsupported-media-type", f"A batch must be a form as {MULTIPART}; got {kind or 'nothing'}."
        )
    return await _read_form(request, most)


def _media_type(request: Request) -> str:
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()


async def _read_form(request: Request, most: int) -> list[Upload]:
    try:
        # One file more is let through, so that the answer says how many are accepted.
        parser = _InMemory(request.headers, request.stream(), max_files=most + 1, max_fields=_MAX_FIELDS)
        form = await parser.parse()
    except (ProblemError, ClientGoneError):
        raise
    except ClientDisconnect:
        raise ClientGoneError from None
    except (MultiPartException, HTTPException) as error:
        reason = getattr(error, "message", None) or getattr(error, "detail", "")
        raise _bad_form(most, str(reason)) from error
    # A parser of foreign input, which may trip over a header that nobody thought of.
    except (KeyError, ValueError, LookupError) as error:
        raise ProblemError(400, "damaged-form", f"The form cannot be read ({type(error).__name__}).") from error
    return await _files(form, most)


def _bad_form(most: int, reason: str) -> ProblemError:
    if "Too many files" in reason:
        return ProblemError(413, "too-many-images", f"A batch has {most} images at most.")
    return ProblemError(400, "damaged-form", f"The form cannot be read: {reason}")


async def _files(form: FormData, most: int) -> list[Upload]:
    files: list[Any] = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        if not files:
            raise ProblemError(422, "no-image", "The form must have a file with an image.")
        if len(files) > most:
            if most == 1:
                raise ProblemError(
                    422, "too-many-images", "The form must have one file; /v1/detect/batch takes several."
                )
            raise ProblemError(413, "too-many-images", f"A batch has {most} images at most, got more.")
        return [Upload(file.filename or "", await file.read()) for file in files]
    finally:
        await form.close()
