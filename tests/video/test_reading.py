"""Frames of files, animations and sequences of images: all of them, in their order, at their times, upright."""

from __future__ import annotations

import io
import re
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import ConfigError, Detector, Faces, MissingExtraError, VideoError
from mtcnn_fast.video import VideoFrame
from support.clips import HEIGHT, WIDTH, need_av, scene, scenes, turn_clip, write_clip
from support.portrait import QUICK


@pytest.fixture(scope="module")
def detector():
    with Detector(num_threads=1, **QUICK) as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_av()
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes(30), sound=True)


def read(detector: Detector, source: object, **settings: object) -> list[VideoFrame]:
    return list(detector.detect_video(source, **settings))


def test_every_frame_is_there_with_its_faces(detector: Detector, clip: Path) -> None:
    frames = read(detector, clip)
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.seconds for frame in frames] == pytest.approx([n / 25 for n in range(30)], abs=1e-9)
    for frame in frames:
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert frame.image.dtype == np.uint8
        assert frame.faces == detector.detect(frame.image)
        assert len(frame.faces) == 1
        assert frame.faces.ids is None
    assert "at 0.040 s" in repr(frames[1])


@pytest.mark.parametrize("kind", ["path", "bytes", "file object"])
def test_kinds_of_a_file(detector: Detector, clip: Path, kind: str) -> None:
    source = {"path": str(clip), "bytes": clip.read_bytes(), "file object": io.BytesIO(clip.read_bytes())}[kind]
    assert [frame.index for frame in read(detector, source, stride=10)] == [0, 10, 20]


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4", "libx265"])
def test_a_part_has_the_numbers_of_the_whole(detector: Detector, tmp_path: Path, codec: str) -> None:
    """Whatever frames depend on, and wherever the part begins."""
    need_av()
    ending = "webm" if codec == "libvpx-vp9" else "mp4"
    options = {"x265-params": "log-level=none:keyint=10"} if codec == "libx265" else {}
    path = write_clip(tmp_path / f"clip.{ending}", scenes(30), codec=codec, options=options)
    whole = {frame.index: frame for frame in read(detector, path)}
    for start, stop in ((0.0, 0.2), (0.5, 0.9), (0.7, None), (None, 0.3)):
        part = read(detector, path, start=start, stop=stop)
        wanted = [n for n, f in whole.items() if (start or 0) <= f.seconds < (stop or 9)]
        assert [frame.index for frame in part] == wanted
        for frame in part:
            assert frame.seconds == whole[frame.index].seconds
            np.testing.assert_array_equal(frame.image, whole[frame.index].image)


def test_a_start_after_the_end_gives_nothing(detector: Detector, clip: Path) -> None:
    assert read(detector, clip, start=99.0) == []


def test_variable_rate(detector: Detector, tmp_path: Path) -> None:
    need_av()
    times = [0, 40, 55, 400, 401, 1000]
    path = write_clip(tmp_path / "vfr.mkv", scenes(6), times=times, time_base=Fraction(1, 1000))
    assert [round(1000 * frame.seconds) for frame in read(detector, path)] == times


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), lambda p: p),
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((0, -1, 1, 0), lambda p: np.rot90(p)),
        ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
        ((1, 0, 0, -1), lambda p: p[::-1]),
    ],
)
def test_frames_are_upright(detector: Detector, tmp_path: Path, matrix: tuple[int, int, int, int], turn) -> None:
    need_av()
    path = write_clip(tmp_path / "turned.mp4", [scene(5)] * 2)
    (plain, _) = read(detector, path)
    turn_clip(path, matrix)
    (shown, _) = read(detector, path)
    np.testing.assert_array_equal(shown.image, turn(plain.image))
    assert shown.image.flags.c_contiguous
    assert shown.faces.image_size == (shown.image.shape[1], shown.image.shape[0])


@pytest.mark.parametrize("matrix", [1, 5])
def test_colours_follow_the_matrix_that_the_file_names(detector: Detector, tmp_path: Path, matrix: int) -> None:
    need_av()
    path = write_clip(tmp_path / "colours.mp4", [scene(0)] * 2, matrix=matrix)
    frame = read(detector, path)[0]
    np.testing.assert_allclose(frame.image[8, 8].astype(int), (220, 20, 30), atol=8)


def test_a_damaged_packet_costs_itself_only(detector: Detector, tmp_path: Path, caplog) -> None:
    av = need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(30), codec="mpeg4", options={"g": "1"})
    with av.open(str(path)) as container:
        sizes = [(p.pos, p.size, p.pts) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    place, size, _ = sizes[12]
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    frames = read(detector, path)
    assert [frame.index for frame in frames] == [n for n in range(30) if n != 12]
    # Decoders work on several packets at once, so the time is about right only.
    assert re.search(r"a packet near 0\.[45]\d s is damaged; skipped", caplog.text)


def test_a_file_that_is_cut_off(detector: Detector, tmp_path: Path) -> None:
    need_av()
    path = write_clip(tmp_path / "clip.mkv", scenes(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(read(detector, path)) < 30


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "no such file"),
        ("empty.mp4", b"", "cannot be opened as video"),
        ("noise.mp4", bytes(range(256)) * 20, "cannot be opened as video|no frame|no video"),
        ("notes.txt", b"no video at all\n" * 20, "text, not video|cannot be opened"),
    ],
)
def test_what_is_no_video(detector: Detector, tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    need_av()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=message) as caught:
        read(detector, tmp_path / name)
    assert name in str(caught.value)


def test_sound_alone_is_no_video(detector: Detector, tmp_path: Path) -> None:
    av = need_av()
    path = tmp_path / "tone.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    with pytest.raises(VideoError, match="no video stream"):
        read(detector, path)


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_animations(detector: Detector, tmp_path: Path, ending: str) -> None:
    pictures = [Image.fromarray(picture) for picture in scenes(4)]
    path = tmp_path / f"moving.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40, 100, 250, 60], **options)
    frames = read(detector, path)
    assert [round(1000 * frame.seconds) for frame in frames] == [0, 40, 140, 390]
    assert all(len(frame.faces) == 1 for frame in frames)
    if ending != "gif":
        np.testing.assert_array_equal(frames[2].image, scene(2))
    assert [frame.index for frame in read(detector, path, start=0.1, stop=0.3)] == [2]
    assert [frame.index for frame in read(detector, path.read_bytes(), stride=2)] == [0, 2]


def test_a_single_picture_is_one_frame(detector: Detector, tmp_path: Path) -> None:
    Image.fromarray(scene(0)).save(tmp_path / "photo.jpg")
    assert [frame.index for frame in read(detector, tmp_path / "photo.jpg")] == [0]


@pytest.mark.parametrize("form", ["folder", "pattern", "number", "list"])
def test_sequences_of_images(detector: Detector, tmp_path: Path, form: str) -> None:
    for number in range(12):
        Image.fromarray(scene(number)).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("no image")
    source = {
        "folder": tmp_path,
        "pattern": str(tmp_path / "f*.png"),
        "number": str(tmp_path / "f%d.png"),
        "list": [tmp_path / f"f{number}.png" for number in range(12)],
    }[form]
    frames = read(detector, source, fps=10)
    assert [frame.seconds for frame in frames] == pytest.approx([n / 10 for n in range(12)])
    # f10 comes after f9.
    np.testing.assert_array_equal(frames[10].image, scene(10))


def test_an_image_that_cannot_be_read_is_reported_and_skipped(detector: Detector, tmp_path: Path, caplog) -> None:
    for number in range(3):
        Image.fromarray(scene(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"torn")
    assert [frame.index for frame in read(detector, tmp_path)] == [0, 2]
    assert "1.png" in caplog.text


def test_a_folder_without_images(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no image file"):
        read(detector, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": 1.5}, "source must be"),
        ({"source": []}, "source must name at least one image"),
        ({"stride": 0}, "stride must be"),
        ({"start": -1}, "start must be"),
        ({"start": 2, "stop": 1}, "stop must be above start=2, got 1"),
        ({"track": "yes"}, "track must be True, False or"),
        ({"fps": 0}, "fps must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"reconnect": -1}, "reconnect must be"),
    ],
)
def test_wrong_arguments_show_where_they_are_given(detector: Detector, arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        detector.detect_video(**{"source": "clip.mp4", **arguments})


def test_too_many_pixels(tmp_path: Path) -> None:
    need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(2))
    with (
        Detector("numpy", max_pixels=1000) as small,
        pytest.raises(VideoError, match="max_pixels=1000 pixels, has 192"),
    ):
        read(small, path)


def test_without_av_an_animation_is_read_and_a_video_names_the_extra(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "av"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    Image.fromarray(scene(0)).save(tmp_path / "one.gif")
    assert len(read(detector, tmp_path / "one.gif")) == 1
    (tmp_path / "clip.mp4").write_bytes(b"\0" * 64)
    with pytest.raises(
        MissingExtraError, match=r"reading and writing video needs av.*pip install 'mtcnn-fast\[video\]'"
    ):
        read(detector, tmp_path / "clip.mp4")


def test_streams_of_any_frames(detector: Detector) -> None:
    asked: list[int] = []

    def frames():
        for number in range(5):
            asked.append(number)
            yield scene(number)

    found = detector.detect_stream(frames(), fps=10, stride=2, track=True)
    first = next(found)
    # The next frame is not asked for before this one is taken.
    assert asked == [0]
    rest = list(found)
    assert [frame.index for frame in (first, *rest)] == [0, 2, 4]
    assert [frame.seconds for frame in (first, *rest)] == pytest.approx([0, 0.2, 0.4])
    assert [frame.faces.ids.tolist() for frame in (first, *rest)] == [[1]] * 3
    assert list(detector.detect_stream([])) == []
    assert isinstance(first.faces, Faces)


def test_leaving_a_video_early_ends_its_thread(detector: Detector, clip: Path) -> None:
    before = set(threading.enumerate())  # some of which may be those of other tests, about to end
    frames = detector.detect_video(clip)
    next(frames)
    frames.close()
    assert set(threading.enumerate()) <= before
