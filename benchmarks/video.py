"""Measure videos: frames a second beside decoding alone, key frames' gain and cost, drift of times, and memory.

    python benchmarks/video.py [--frames 200]

The clip is made here: faces of three sizes that move across a photograph's background, 640 x 480, H.264 at 25 frames a
second.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from click.testing import CliRunner
from PIL import Image

from mtcnn_fast import Detector
from mtcnn_fast.cli import app
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.video import Tracking

ROOT = Path(__file__).resolve().parents[1]
SIZE = 640, 480


def clip(path: Path, count: int) -> Path:
    """Write the clip."""
    with Image.open(ROOT / "examples" / "astronaut.jpg") as photo:
        whole = photo.convert("RGB")
    face = whole.crop((130, 30, 322, 222))
    sizes = (190, 110, 60)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            picture = whole.crop((0, 230, 320, 470)).resize(SIZE)
            for row, size in enumerate(sizes):
                left = round((SIZE[0] - size) / 2 * (1 + np.sin(number / (17 + 9 * row))))
                picture.paste(face.resize((size, size)), (left, (10, 215, 350)[row]))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def every_face(detector: Detector, path: Path, *, track) -> tuple[list, float]:
    """Return the faces of each frame, and the frames a second."""
    begin = time.perf_counter()
    found = [frame.faces for frame in detector.detect_video(path, track=track)]
    return found, len(found) / (time.perf_counter() - begin)


def rate(count: int, work) -> float:
    """Return the frames a second of a call."""
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def recall(found, truth) -> float:
    """Return the share of the faces of `truth` that overlap one of `found` by a half."""
    hits = total = 0
    for faces, known in zip(found, truth, strict=True):
        overlaps = iou_matrix(known.boxes.astype(float), faces.boxes.astype(float), inclusive=False)
        hits += int((overlaps.max(axis=1, initial=0) >= 0.5).sum())
        total += len(known)
    return hits / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    count = parser.parse_args().frames
    with tempfile.TemporaryDirectory() as folder:
        path = clip(Path(folder) / "clip.mp4", count)

        def decode() -> None:
            with av.open(str(path)) as container:
                container.streams.video[0].thread_type = "AUTO"
                for frame in container.decode(video=0):
                    frame.to_ndarray(format="rgb24")

        print(f"decoding alone, to RGB: {rate(count, decode):.1f} frames/s")
        with Detector("cpu", num_threads=1) as detector:
            frames, speed = every_face(detector, path, track=False)
            print(f"detect_video: {speed:.1f} frames/s")
            for every in (1, 5, 10, 25):
                found, speed = every_face(detector, path, track=Tracking(detect_every=every))
                ids = len({track for faces in found for track in faces.ids.tolist()})
                share = recall(found, frames)
                print(f"track, detect_every={every}: {speed:.1f} frames/s, recall {share:.4f}, {ids} ids")
        out = Path(folder) / "out.mp4"
        cpu, begin = time.process_time(), time.perf_counter()
        one = ["--device", "cpu", "--num-threads", "1"]
        arguments = ["video", str(path), "--blur", "-o", str(out), *one]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        wall = time.perf_counter() - begin
        busy = (time.process_time() - cpu) / wall
        print(f"blurred and written: {count / wall:.1f} frames/s; {busy:.2f} processors busy")
        times = []
        for file in (path, out):
            with av.open(str(file)) as container:
                times.append([frame.pts * frame.time_base for frame in container.decode(video=0)])
        drift = max(abs(a - b) for a, b in zip(*times, strict=True))
        print(f"largest drift: {drift} s over {len(times[0])} frames")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
