"""The page at ``/``: its files, and the headers that let it load nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Response

from mtcnn_fast.serving.problems import ProblemError

router = APIRouter(include_in_schema=False)

_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(("api.js", "app.js", "camera.js", "cards.js", "draw.js"), "text/javascript; charset=utf-8"),
}

#: Everything comes from this server, and nothing from anywhere else. Pictures are shown from memory (blob:).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def index() -> Response:
    """Return the page."""
    return _file("index.html")


@router.get("/page/{name}")
async def part(name: str) -> Response:
    """Return a file of the page."""
    return _file(name)


def _file(name: str) -> Response:
    if name not in _TYPES:
        raise ProblemError(404, "not-found", "The page has no such file.")
    content = files("mtcnn_fast.serving").joinpath("page", name).read_bytes()
    return Response(content, headers={**HEADERS, "Content-Type": _TYPES[name]})
