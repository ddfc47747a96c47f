"""A server that all tests of this folder share, and pictures to send."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from support.data import PHOTO
from support.portrait import portrait
from support.serving import Server, skip_without_extra


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with small limits, so that it takes little to pass them."""
    skip_without_extra()
    running = Server(
        *("--slots", "2", "--queue", "8", "--max-body", "1000000", "--max-pixels", "4000000"),
        *("--max-batch", "4", "--max-batch-body", "2000000", "--head-timeout", "2", "--body-timeout", "2"),
    )
    running.wait_until_ready()
    yield running
    assert running.end() == 0


@pytest.fixture(scope="session")
def photo() -> bytes:
    """The file of the example photo, with one face."""
    return PHOTO.read_bytes()


@pytest.fixture(scope="session")
def small() -> bytes:
    """A PNG with one face in 112 x 112 pixels."""
    file = io.BytesIO()
    Image.fromarray(portrait()).save(file, "PNG")
    return file.getvalue()
