"""Fixtures and reports that several kinds of tests share."""

from __future__ import annotations

import os
import signal

# A shell starts what it puts in the background deaf to Ctrl-C; some tests press it, here or in processes of their own.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Several test processes at once, each with BLAS threads that wait for one another, take many times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable, Iterator

import hypothesis
import pytest

from mtcnn_fast.backends import available_backends
from mtcnn_fast.backends.base import Backend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import Weights, load_weights
from support import golden_report
from support.variants import create_variant, parameters, variants

pytest_plugins = ["support.small_datasets"]

BACKENDS = available_backends()

# A slow example on a busy machine is not a fault. Where the variable CI is set, the same examples come each time.
hypothesis.settings.register_profile(
    "mtcnn_fast", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("mtcnn_fast")


def pytest_report_header() -> list[str]:
    missing = [f"no tests of backend {name!r}: {reason}" for name, reason in BACKENDS.items() if reason]
    return [f"backends under test: {', '.join(variants())}", *missing]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if golden_report.failed(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    golden_report.write(terminalreporter)


@pytest.fixture(scope="session")
def weights() -> Weights:
    """The weights that come with the package."""
    return load_weights(None)


@pytest.fixture(scope="session", params=parameters(variants()))
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each backend that can be used here, in each of its forms."""
    return str(request.param)


@pytest.fixture
def make_backend(backend_name: str, weights: Weights) -> Iterator[Callable[..., Backend]]:
    """A function that makes a backend with given settings, and closes it when the test is over."""
    made: list[Backend] = []

    def make(config: DetectorConfig | None = None, weights: Weights = weights, **settings: object) -> Backend:
        made.append(create_variant(backend_name, config or DetectorConfig(**settings), weights))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
