"""Speed on a CUDA device: images per second and latency by size and batch, and where the time goes.

Compares a detection that waits once with one that downloads two counts (`TorchBackend(download_counts=True)`), and with
facenet-pytorch on the same device where that is installed. Prints a table and writes JSON.

    python benchmarks/gpu.py [--device cuda:0] [--sizes 640x480 ...] [--batches 1 8 64] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mtcnn_fast.backends.torch.devices import cuda_problem
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import load_weights

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "astronaut.jpg"
SIZES = ["640x480", "1280x720", "1920x1080"]
BATCHES = [1, 4, 16, 64]
#: Runs of each measurement, at least; a measurement also lasts at least a second.
RUNS = 20


def scene(width: int, height: int) -> np.ndarray:
    """Tile the photo's face over a picture, about one face for 320 x 240 pixels."""
    face = Image.open(PHOTO).convert("RGB").crop((130, 20, 330, 220)).resize((120, 120))
    canvas = Image.new("RGB", (width, height), (90, 90, 90))
    for top in range(30, height - 120, 240):
        for left in range(40, width - 120, 320):
            canvas.paste(face, (left, top))
    return np.asarray(canvas).copy()


def measure(run: Callable[[], Any], synchronise: Callable[[], None]) -> list[float]:
    """Return the seconds of each run, after three that don't count."""
    for _ in range(3):
        run()
    synchronise()
    seconds: list[float] = []
    while len(seconds) < RUNS or sum(seconds) < 1:
        start = time.perf_counter()
        run()
        synchronise()
        seconds.append(time.perf_counter() - start)
    return seconds


def row(name: str, size: str, batch: int, seconds: list[float], faces: int) -> dict[str, Any]:
    ordered = sorted(seconds)
    return {
        "what": name,
        "size": size,
        "batch": batch,
        "images_per_second": batch / statistics.median(seconds),
        "p50_ms": 1e3 * statistics.median(seconds),
        "p99_ms": 1e3 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "faces": faces,
    }


def contenders(device: str) -> dict[str, Callable[[list[np.ndarray]], list[int]]]:
    """Return functions from images to the number of faces in each."""
    from mtcnn_fast.backends.torch.backend import TorchBackend

    weights = load_weights(None)
    found: dict[str, Callable[[list[np.ndarray]], list[int]]] = {}
    for name, precision, options in (
        ("one wait", "float32", {}),
        ("two counts", "float32", {"download_counts": True}),
        ("one wait, graphs", "float32", {"graphs": 1}),
        ("one wait, tf32", "tf32", {}),
        ("one wait, float16", "float16", {}),
    ):
        backend = TorchBackend(DetectorConfig(border="clip", precision=precision), weights, device, **options)
        found[name] = lambda images, backend=backend: [len(faces) for faces in backend.detect(images)]
    try:
        from facenet_pytorch import MTCNN
    except ImportError:
        print("facenet-pytorch is not installed: not compared", file=sys.stderr)
        return found
    peer = MTCNN(keep_all=True, min_face_size=20, device=device)

    def detect(images: list[np.ndarray]) -> list[int]:
        boxes, _ = peer.detect([Image.fromarray(image) for image in images])
        return [0 if part is None else len(part) for part in boxes]

    found["facenet-pytorch"] = detect
    return found


def profile(device: str, image: np.ndarray, batch: int) -> list[dict[str, Any]]:
    """Return the time of each kernel in one detection of a batch, by torch's profiler."""
    import torch

    from mtcnn_fast.backends.torch.backend import TorchBackend

    backend = TorchBackend(DetectorConfig(), load_weights(None), device)
    images = torch.from_numpy(np.stack([image] * batch)).to(device)
    backend.detect_tensor(images)
    torch.cuda.synchronize(device)
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as recorded:
        backend.detect_tensor(images)
        torch.cuda.synchronize(device)
    kernels = [(event.key, event.count, event.device_time_total) for event in recorded.key_averages()]
    total = sum(kernel[2] for kernel in kernels) or 1
    return [
        {"kernel": name, "launches": count, "us": micros, "share": micros / total}
        for name, count, micros in sorted(kernels, key=lambda kernel: -kernel[2])[:25]
    ]


def pyramid_bandwidth(device: str, image: np.ndarray, kernels: list[dict[str, Any]], batch: int) -> dict[str, float]:
    """Return what the pyramid's kernel reads (each image once) and writes per second, and a copy's rate beside it."""
    import torch

    from mtcnn_fast.backends.torch.plan import make_plan

    plan = make_plan([image.shape[:2]] * batch, DetectorConfig())
    moved = image.nbytes * batch + 12 * sum(len(g.images) * g.height * g.width for g in plan.groups)
    micros = sum(kernel["us"] for kernel in kernels if "resize_pyramid" in kernel["kernel"])
    block = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    seconds = measure(lambda: other.copy_(block), lambda: torch.cuda.synchronize(device))
    return {
        "pyramid_gb_per_second": moved / micros / 1e3 if micros else 0.0,
        "copy_gb_per_second": 2 * block.numel() / statistics.median(seconds) / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    problem = cuda_problem(int(arguments.device.partition(":")[2] or 0))
    if problem is not None:
        raise SystemExit(f"no CUDA device: {problem}")
    import torch

    device = torch.device(arguments.device)
    runs = contenders(arguments.device)
    rows = []
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    print(f"{'what':20s} {'size':>10s} {'batch':>5s} {'images/s':>9s} {'p50 ms':>8s} {'p99 ms':>8s} {'faces':>5s}")
    for size in arguments.sizes:
        width, height = map(int, size.split("x"))
        image = scene(width, height)
        for batch in arguments.batches:
            for name, run in runs.items():
                images = [image] * batch
                seconds = measure(lambda run=run, images=images: run(images), lambda: torch.cuda.synchronize(device))
                rows.append(row(name, size, batch, seconds, sum(run(images))))
                r = rows[-1]
                print(
                    f"{name:20s} {size:>10s} {batch:5d} {r['images_per_second']:9.1f} {r['p50_ms']:8.2f} "
                    f"{r['p99_ms']:8.2f} {r['faces']:5d}"
                )
    kernels = profile(arguments.device, image, 8)
    bandwidth = pyramid_bandwidth(arguments.device, image, kernels, 8)
    for kernel in kernels:
        print(f"{kernel['us']:9.0f} us {kernel['share']:6.1%} {kernel['launches']:4d}x {kernel['kernel'][:90]}")
    print(", ".join(f"{name} {value:.0f}" for name, value in bandwidth.items()))
    if arguments.json:
        result = {"device": torch.cuda.get_device_name(device), "rows": rows, "kernels": kernels, **bandwidth}
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
