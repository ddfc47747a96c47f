"""Memory does not grow with the length of a video."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import Detector
from mtcnn_fast.video import Tracking
from support.clips import need_av, write_clip
from support.memory import resident

#: Of a video, and between two looks at the memory.
FRAMES, EVERY = 20_000, 500


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_is_flat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need_av()
    rng = np.random.default_rng(0)
    pictures = (np.full((48, 64, 3), rng.integers(0, 255), np.uint8) for _ in range(FRAMES))
    path = write_clip(tmp_path / "long.mp4", pictures, sound=True)
    held = []
    with Detector("cpu", num_threads=1) as detector:
        for frame in detector.detect_video(path, track=Tracking(detect_every=2)):
            if frame.index % EVERY == 0:
                held.append(resident())
    assert len(held) == FRAMES // EVERY
    # The first quarter is spent on filling queues and pools.
    settled = np.array(held[len(held) // 4 :]) / 1024
    slope = np.polyfit(np.arange(len(settled)) * EVERY, settled, 1)[0]
    with capsys.disabled():
        print(f"\n{slope * 1000:.1f} KiB for 1,000 frames over {FRAMES} frames, {settled[-1] / 1024:.0f} MiB held")
    # An hour at 25 frames a second has 90,000 frames: below 10 MiB.
    assert slope * 90_000 < 10 * 1024
