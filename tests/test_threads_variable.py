"""The environment variable ``MTCNN_FAST_NUM_THREADS``."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast import ConfigError, Detector, ops
from mtcnn_fast._native import THREADS, THREADS_VARIABLE, checked_threads, find_native, threads_from_environment
from mtcnn_fast.backends import available_backends
from support.bad_values import bad_values

needs_native = pytest.mark.skipif(find_native()[0] is None, reason="needs the native module")
needs_engine = pytest.mark.skipif(available_backends()["cpu"] is not None, reason="needs the native engine")


@pytest.mark.parametrize(("text", "count"), [("3", 3), (" 16 ", 16), ("1024", 1024), ("", None), ("  ", None)])
def test_accepted(text: str, count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, text)
    assert threads_from_environment() == count


def test_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS_VARIABLE, raising=False)
    assert threads_from_environment() is None


@pytest.mark.parametrize("text", ["0", "1025", "-1", "1.5", "all", "²", "1e3"])
def test_refused_by_its_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, text)
    with pytest.raises(ConfigError, match=r"^MTCNN_FAST_NUM_THREADS must be a whole number from 1 to 1024, got "):
        threads_from_environment()


@needs_native
def test_an_argument_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, "5")
    assert checked_threads(None) == 5
    assert checked_threads(2) == 2


@needs_native
def test_operations_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, "many")
    with pytest.raises(ConfigError, match=r"^MTCNN_FAST_NUM_THREADS must be "):
        ops.resize_pyramid(np.zeros((8, 8, 3), np.uint8), [1.0])
    assert len(ops.resize_pyramid(np.zeros((8, 8, 3), np.uint8), [1.0], num_threads=1)) == 1


@needs_engine
def test_a_detector_reads_it_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    monkeypatch.setenv(THREADS_VARIABLE, "2")
    with Detector("cpu") as detector:
        monkeypatch.setenv(THREADS_VARIABLE, "many")
        assert len(detector.detect(image)) == 0
    with pytest.raises(ConfigError, match=r"^MTCNN_FAST_NUM_THREADS must be "):
        Detector("cpu")
    assert Detector("cpu", num_threads=1).backend == "cpu"


@needs_native
def test_arguments_of_operations_have_the_same_bounds() -> None:
    for value in bad_values(THREADS):
        if value is not None:
            with pytest.raises(ConfigError, match=r"^num_threads must be a whole number from 1 to 1024, got "):
                ops.resize_pyramid(np.zeros((8, 8, 3), np.uint8), [1.0], num_threads=value)  # type: ignore[arg-type]
