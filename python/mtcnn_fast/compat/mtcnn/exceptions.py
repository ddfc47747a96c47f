"""The exception of version 0.1."""

from __future__ import annotations

from mtcnn_fast.errors import ImageError


class InvalidImage(ImageError):  # noqa: N818 - the public name
    """What was given is not an image, and not the path or the bytes of one."""
