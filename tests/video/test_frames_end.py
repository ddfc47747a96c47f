"""A frame's memory is free as soon as nobody holds the frame: none waits for Python to look for circles."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mtcnn_fast import Detector
from mtcnn_fast.cli import app
from mtcnn_fast.video import Tracking
from support.clips import need_av, scenes, write_clip
from support.portrait import QUICK


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_av()
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes(10), sound=True)


@pytest.fixture(autouse=True)
def only_circles_are_found() -> Iterator[None]:
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def frames_in_circles(call: Callable[[], object]) -> int:
    av = need_av()
    call()
    gc.collect()
    return sum(isinstance(each, av.VideoFrame) for each in gc.garbage)


def test_a_circle_is_seen(clip: Path) -> None:
    """What PyAV offers makes one for each frame; if not, this file tests nothing."""
    av = need_av()

    def call() -> None:
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                assert frame.side_data is not None

    assert frames_in_circles(call) == 10


@pytest.mark.parametrize("track", [False, True, Tracking(detect_every=2)])
def test_reading(clip: Path, track: bool | Tracking) -> None:
    def call() -> None:
        with Detector(num_threads=1, **QUICK) as detector:
            for frame in detector.detect_video(clip, track=track):
                assert frame.image is not None

    assert frames_in_circles(call) == 0


@pytest.mark.parametrize("change", [["--blur"], ["--draw"], ["--blur", "--codec", "ffv1"]])
def test_writing(clip: Path, tmp_path: Path, change: list[str]) -> None:
    def call() -> None:
        result = CliRunner().invoke(app, ["video", str(clip), "-o", str(tmp_path / "out.mkv"), *change])
        assert result.exit_code == 0, result.output

    assert frames_in_circles(call) == 0
