"""Written videos: times, sound and colours are those of what was read; only what was drawn is new."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.video.planes import planes_of
from support.cli import QUICKLY, run
from support.clips import HEIGHT, WIDTH, decoded, need_av, scene, scenes, sound_packets, turn_clip, write_clip


@pytest.fixture(autouse=True)
def _av() -> None:
    need_av()


def video(*arguments: object, ending: int = 0) -> str:
    return run("video", *QUICKLY, "--device", "cpu", "--num-threads", 1, *arguments, ending=ending).stdout


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in decoded(path)]


@pytest.mark.parametrize(
    ("source", "out"), [("mp4", "mp4"), ("mp4", "mov"), ("mkv", "mkv"), ("mkv", "mp4"), ("ts", "ts")]
)
def test_times_are_kept_also_at_a_variable_rate(tmp_path: Path, source: str, out: str) -> None:
    ticks = [0, 40, 55, 400, 410, 1000, 1040, 2500]
    path = write_clip(tmp_path / f"in.{source}", scenes(8), times=ticks, time_base=Fraction(1, 1000))
    video(path, "--blur", "-o", tmp_path / f"out.{out}")
    assert times(tmp_path / f"out.{out}") == times(path)


def test_every_packet_of_sound_is_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(25), sound=True)
    video(path, "--pixelate", "-o", tmp_path / "out.mp4")
    assert len(sound_packets(path)) > 15
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
    video(path, "--pixelate", "-o", tmp_path / "mute.mp4", "--no-audio")
    with need_av().open(str(tmp_path / "mute.mp4")) as container:
        assert not container.streams.audio


def test_a_part_begins_at_zero_with_its_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(50), sound=True)
    video(path, "--blur", "-o", tmp_path / "out.mkv", "--start", 1, "--stop", 1.6)
    assert [round(25 * float(time)) for time in times(tmp_path / "out.mkv")] == list(range(15))
    packets = sound_packets(tmp_path / "out.mkv")
    assert 0 <= packets[0][0] < 0.07
    assert {content for _, content in packets} <= {content for _, content in sound_packets(path)}
    assert 0.4 < packets[-1][0] < 0.9


def test_a_short_video_with_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(1), sound=True)
    video(path, "--blur", "-o", tmp_path / "out.mp4")
    assert len(decoded(tmp_path / "out.mp4")) == 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv420p10le", "yuv422p", "yuv444p"])
def test_samples_stay_as_they_were_where_nothing_is_drawn(tmp_path: Path, pixel_format: str) -> None:
    """Encoded without loss: full and limited range, 8 and 10 bits, every kind of chroma."""
    path = write_clip(tmp_path / "in.mkv", [scene(5, with_face=n > 0) for n in range(3)], pixel_format=pixel_format)
    video(path, "--blur", "-o", tmp_path / "out.mkv", "--codec", "ffv1")
    for number, (before, after) in enumerate(zip(decoded(path), decoded(tmp_path / "out.mkv"), strict=True)):
        # What a name with a j says, the range says too.
        assert after.format.name == before.format.name.replace("yuvj", "yuv")
        assert (after.colorspace, after.color_range) == (before.colorspace, before.color_range)
        for old, new in zip(planes_of(before), planes_of(after), strict=True):
            scale = WIDTH // old.shape[1]
            if number == 0:
                np.testing.assert_array_equal(new, old)
            else:
                # The face is right of column 20 and above the last rows; blurred it is not what it was.
                np.testing.assert_array_equal(new[:, : 20 // scale], old[:, : 20 // scale])
                np.testing.assert_array_equal(new[-4:], old[-4:])
                assert (new != old).any()


def test_colours_are_named_as_before(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(3), matrix=1)
    video(path, "--draw", "-o", tmp_path / "out.mp4")
    assert [frame.colorspace for frame in decoded(tmp_path / "out.mp4")] == [1, 1, 1]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p"])
def test_turned_videos_are_written_upright(tmp_path: Path, pixel_format: str) -> None:
    path = write_clip(tmp_path / "in.mp4", [scene(5, with_face=False)] * 3, pixel_format=pixel_format)
    turn_clip(path, (0, 1, -1, 0))
    video(path, "--blur", "-o", tmp_path / "out.mp4")
    frame = decoded(tmp_path / "out.mp4")[0]
    assert (frame.width, frame.height) == (HEIGHT, WIDTH)
    assert frame.rotation == 0
    pixels = frame.to_ndarray(format="rgb24").astype(int)
    np.testing.assert_allclose(pixels[8, -8], (220, 20, 30), atol=12)
    np.testing.assert_allclose(pixels[8, 8], 90, atol=12)


def test_sizes_that_are_odd(tmp_path: Path) -> None:
    picture = scene(0)[:131, :171]
    path = write_clip(tmp_path / "in.mkv", [picture] * 3, codec="ffv1")
    video(path, "--draw", "-o", tmp_path / "out.mp4")
    assert {(frame.width, frame.height) for frame in decoded(tmp_path / "out.mp4")} == {(172, 132)}


def test_faces_are_hidden(tmp_path: Path) -> None:
    from mtcnn_fast import Detector

    path = write_clip(tmp_path / "in.mp4", scenes(5))
    with Detector("cpu", num_threads=1, min_face_size=40, factor=0.6) as detector:
        before = [len(frame.faces) for frame in detector.detect_video(path)]
        for kind in ("--blur", "--pixelate"):
            video(path, kind, "--track", "-o", tmp_path / "out.mp4")
            after = [len(frame.faces) for frame in detector.detect_video(tmp_path / "out.mp4")]
            assert before == [1] * 5
            assert after == [0] * 5


@pytest.mark.parametrize("ending", ["webm", "avi", "gif", "webp", "ts"])
def test_other_files(tmp_path: Path, ending: str) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(5))
    out = tmp_path / f"out.{ending}"
    video(path, "--draw", "-o", out)
    lines = video(out, "--jsonl").splitlines()
    assert len(lines) == 5
    assert [name.name for name in tmp_path.iterdir() if "partial" in name.name] == []


def test_numbered_images(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", scenes(5))
    video(path, "--draw", "-o", tmp_path / "frames" / "%03d.png", "--stride", 2)
    assert sorted(file.name for file in (tmp_path / "frames").iterdir()) == ["000.png", "002.png", "004.png"]
    video(tmp_path / "frames", "--blur", "-o", tmp_path / "again.mp4", "--fps", 5)
    assert times(tmp_path / "again.mp4") == [0, Fraction(1, 5), Fraction(2, 5)]


def test_an_animation_keeps_its_times(tmp_path: Path) -> None:
    pictures = [Image.fromarray(picture) for picture in scenes(3)]
    pictures[0].save(tmp_path / "in.gif", save_all=True, append_images=pictures[1:], duration=[40, 200, 100])
    for out in ("out.mp4", "out.webp"):
        video(tmp_path / "in.gif", "--blur", "-o", tmp_path / out)
    assert [float(time) for time in times(tmp_path / "out.mp4")] == pytest.approx([0, 0.04, 0.24])
    with Image.open(tmp_path / "out.webp") as again:
        assert again.n_frames == 3
        durations = []
        for number in range(3):
            again.seek(number)
            again.load()
            durations.append(again.info["duration"])
    assert durations == [40, 200, 100]
