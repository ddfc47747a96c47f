"""A server that all tests of this folder share, and pictures to send."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import pytest
from PIL import Image

from support.data import PHOTO
from support.portrait import portrait
from support.serving import Server, skip_without_extra


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with small limits, so that it takes little to pass them."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same where httptools cannot be imported: h11 reads its requests."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "httptools.py").write_text("raise ImportError\n")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    with running_server(PYTHONPATH=os.pathsep.join(filter(None, paths))) as running:
        yield running


@contextlib.contextmanager
def running_server(**environment: str) -> Iterator[Server]:
    skip_without_extra()
    running = Server(
        *("--slots", "2", "--queue", "8", "--max-body", "1000000", "--max-pixels", "4000000"),
        *("--max-batch", "4", "--max-batch-body", "2000000", "--head-timeout", "2", "--body-timeout", "2"),
        **environment,
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
