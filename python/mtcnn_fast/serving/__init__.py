"""The detector as a service over HTTP: an ASGI application, its server, and a page to try it.

``mtcnn-fast serve`` runs it. `create_app` makes the application for another server. Importing this package loads
nothing of the extra ``serve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtcnn_fast.serving.options import ServiceOptions

if TYPE_CHECKING:
    from mtcnn_fast.serving.app import create_app

__all__ = ["ServiceOptions", "create_app"]


def __getattr__(name: str) -> Any:
    # asyncio, which the application needs, takes longer to import than the help of the command to print.
    if name == "create_app":
        from mtcnn_fast.serving.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
