"""What a batch costs: stages of one core, two cores, and a cluster of Ray against one process.

python benchmarks/batches.py stages FOLDER             images/s of reading, decoding and detecting, on 1 and 2 cores
python benchmarks/batches.py cluster FOLDER --nodes 2  a plan by one process, by local processes, and by Ray's nodes
python benchmarks/batches.py decoders FOLDER           JPEG decoders: images/s and differences of pixels from Pillow

FOLDER has JPEG images. Each figure is the best of three rounds, since other programs can only slow a round down.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROUNDS = 3


def best(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def images_of(folder: Path, most: int) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:most]
    assert paths, f"no JPEG in {folder}"
    return paths


def repeated(paths: list[Path], most: int) -> list[Path]:
    """Take images again until there are enough: each input is detected in, however often it is listed."""
    return (paths * (most // len(paths) + 1))[:most]


def stages(folder: Path, most: int) -> None:
    from mtcnn_fast import Detector
    from mtcnn_fast.images import load_image

    paths = images_of(folder, most)
    data = [path.read_bytes() for path in paths]
    pixels = [load_image(each) for each in data]
    megapixels = sum(each.size for each in pixels) / 3e6
    kilobytes = sum(map(len, data)) / len(data) / 1e3
    print(f"{len(paths)} images of {megapixels / len(paths):.2f} megapixels and {kilobytes:.0f} KB")
    rows = {"reading": best(lambda: [path.read_bytes() for path in paths])}
    for threads in (1, 2):
        with Detector("cpu", num_threads=threads) as detector:
            rows[f"detecting, {threads} threads"] = best(lambda: detector.detect_batch(pixels))
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            rows[f"decoding, {threads} threads"] = best(lambda: list(pool.map(load_image, data)))
    for name, seconds in rows.items():
        print(f"{name:24} {len(paths) / seconds:8.1f} images/s {1e3 * seconds / len(paths):7.2f} ms an image")
    with Detector("cpu", num_threads=1, precision="float32") as detector:
        total: dict[str, float] = {}
        for each in pixels:
            for stage, seconds in (detector.detect(each, profile=True).timings or {}).items():
                total[stage] = total.get(stage, 0.0) + seconds
    share = rows["decoding, 1 threads"]
    for stage, seconds in {"decode": share, **total}.items():
        print(f"  {stage:22} {1e3 * seconds / len(paths):7.2f} ms an image")


def run_batch(out: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "mtcnn_fast", "batch", "run", "--out", str(out), "--json", *arguments]
    report: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return report


def cluster(folder: Path, most: int, nodes: int, shard: int, rounds: int) -> None:
    from mtcnn_fast.distributed import plan

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.ray_nodes import ENVIRONMENT, RayNodes

    os.environ.update(ENVIRONMENT)
    paths = repeated(images_of(folder, most), most)
    with tempfile.TemporaryDirectory() as temporary:
        listing = Path(temporary) / "images.txt"
        listing.write_text("".join(f"{path.resolve()}\n" for path in paths))
        plan(listing, Path(temporary) / "plan", shard_images=shard, device="cpu")
        ways = {"one process": ["--workers", "1"], f"{nodes} processes": ["--workers", str(nodes)]}
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, arguments in ways.items():
                times.setdefault(name, []).append(timed_batch(Path(temporary), name, arguments))
            # Nodes that idle cost the other ways a share of a processor.
            with RayNodes(nodes) as ray:
                name, arguments = f"{nodes} nodes of Ray", ["--executor", "ray", "--ray-address", ray.address]
                times.setdefault(name, []).append(timed_batch(Path(temporary), name, arguments))
        single = min(times["one process"])
        for name, seconds in times.items():
            least, count = min(seconds), 1 if name == "one process" else nodes
            print(
                f"{name:18} {least:7.1f} s {most / least:8.1f} images/s, {single / least:.2f} times one process, "
                f"efficiency {single / least / count:.0%}"
            )


def timed_batch(folder: Path, name: str, arguments: list[str]) -> float:
    """Run the plan in a folder, prove its rows, and return the seconds of the run, with the start of its processes."""
    from mtcnn_fast.distributed import finish, verify

    out = folder / "out"
    shutil.copytree(folder / "plan", out)
    seconds: float = run_batch(out, *arguments)["seconds"]
    finish(out)
    found = verify(out)
    assert found.ok, found.problems
    print(f"  {name:18} {seconds:7.1f} s, rows {found.rows}, digest {found.digest[:12]}", flush=True)
    shutil.rmtree(out)
    return seconds


def decoders() -> dict[str, Callable[[bytes], Any]]:
    """Return the decoders that are installed, as functions from a file's bytes to RGB."""

    def pillow(data: bytes) -> Any:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    found: dict[str, Callable[[bytes], Any]] = {f"Pillow {importlib.metadata.version('pillow')}": pillow}
    try:
        import simplejpeg

        found[f"simplejpeg {importlib.metadata.version('simplejpeg')}"] = lambda data: simplejpeg.decode_jpeg(
            data, "RGB"
        )
        found["simplejpeg, fast"] = lambda data: simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)
    except ImportError as error:
        print(f"without simplejpeg: {error}")
    try:
        import imagecodecs

        found[f"imagecodecs {importlib.metadata.version('imagecodecs')}"] = lambda data: imagecodecs.jpeg8_decode(
            data, outcolorspace="rgb"
        )
    except ImportError as error:
        print(f"without imagecodecs: {error}")
    try:
        import turbojpeg

        turbo = turbojpeg.TurboJPEG()
        found[f"PyTurboJPEG {importlib.metadata.version('PyTurboJPEG')}"] = lambda data: turbo.decode(
            data, pixel_format=turbojpeg.TJPF_RGB
        )
    except (ImportError, RuntimeError, OSError) as error:
        print(f"without PyTurboJPEG: {error}")
    return found


def compare_decoders(folder: Path, most: int) -> None:
    data = [path.read_bytes() for path in images_of(folder, most)]
    found = decoders()
    right = [next(iter(found.values()))(each).astype(int) for each in data]
    print(f"{len(data)} images of {sum(each.size for each in right) / 3e6 / len(data):.2f} megapixels")
    for name, decode in found.items():
        differences = [np.abs(decode(each).astype(int) - other) for each, other in zip(data, right, strict=True)]
        share = np.mean([(each > 0).mean() for each in differences])
        seconds = best(lambda decode=decode: [decode(each) for each in data])
        print(
            f"{name:22} {len(data) / seconds:8.1f} images/s, {100 * share:.3f} % of values differ, "
            f"by at most {max(each.max() for each in differences)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["stages", "cluster", "decoders"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000, help="images that are taken")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--shard", type=int, default=100, help="images of a shard")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the cluster's comparison")
    options = parser.parse_args()
    if options.what == "stages":
        stages(options.folder, options.most)
    elif options.what == "cluster":
        cluster(options.folder, options.most, options.nodes, options.shard, options.rounds)
    else:
        compare_decoders(options.folder, options.most)


if __name__ == "__main__":
    main()
