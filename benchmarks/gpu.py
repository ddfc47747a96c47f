"""Speed on a CUDA device: images per second and latency by size and batch, where the time goes, and what was expected.

Compares the fused networks with torch's, a detection that waits once with one that downloads two counts, images on the
host with images on the device, and facenet-pytorch where that is installed. Prints tables and writes JSON. Ends with a
line for each expectation: met, missed, or why it was not measured.

    python benchmarks/gpu.py [--device cuda:0] [--sizes 640x480 ...] [--batches 1 8 64] [--seconds 1] [--only NAME ...]
        [--photographs FOLDER] [--json FILE]

The pictures of a size are plain but for their faces, which is kind to the filter. With ``--photographs`` each batch is
also filled with photographs.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mtcnn_fast import Detector, Faces
from mtcnn_fast.backends.cuda.devices import cuda_problem
from mtcnn_fast.config import DetectorConfig, Precision
from mtcnn_fast.images import load_image
from mtcnn_fast.weights import load_weights

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "astronaut.jpg"
SIZES = ["640x480", "1280x720", "1920x1080"]
BATCHES = [1, 4, 16, 64]
#: Runs of each measurement, and its seconds, unless it lasts so many times longer already.
RUNS, SHORTEST, LONGEST = 20, 1.0, 4
#: What the verdicts are about.
VERDICT_SIZE, VERDICT_BATCH = "640x480", 64
#: Images a second that a batch of 64 should reach in float32 on an H100 or better.
GOAL = 8000


def scene(width: int, height: int) -> np.ndarray:
    """Tile the photo's face over a picture, about one face for 320 x 240 pixels."""
    face = Image.open(PHOTO).convert("RGB").crop((130, 20, 330, 220)).resize((120, 120))
    canvas = Image.new("RGB", (width, height), (90, 90, 90))
    for top in range(30, height - 120, 240):
        for left in range(40, width - 120, 320):
            canvas.paste(face, (left, top))
    return np.asarray(canvas).copy()


def measure(run: Callable[[], Any], synchronise: Callable[[], None], shortest: float = SHORTEST) -> list[float]:
    """Return the seconds of each run, after three that don't count; at least of three runs."""
    for _ in range(3):
        run()
    synchronise()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < LONGEST * shortest and (len(seconds) < RUNS or sum(seconds) < shortest)):
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


Run = Callable[[list[np.ndarray]], list[int]]


def contenders(device: str) -> dict[str, Run]:
    """Return functions from images to the number of faces in each."""
    from mtcnn_fast.backends.cuda.backend import CudaBackend
    from mtcnn_fast.backends.torch.backend import TorchBackend

    weights = load_weights(None)
    own = CudaBackend(DetectorConfig(border="clip"), weights, int(device.partition(":")[2] or 0))
    filtered = CudaBackend(
        DetectorConfig(border="clip", precision="float16-filter"), weights, int(device.partition(":")[2] or 0)
    )
    found: dict[str, Run] = {
        "fused, without torch": lambda images: [len(faces) for faces in own.detect(images)],
        "filtered, without torch": lambda images: [len(faces) for faces in filtered.detect(images)],
    }
    for name, precision, options in (
        ("fused", "float32", {}),
        ("filtered", "float16-filter", {}),
        ("torch", "float32", {"networks": "torch"}),
        ("fused, three waits", "float32", {"download_counts": True}),
        ("fused, graphs", "float32", {"graphs": 1}),
        ("torch, tf32", "tf32", {}),
        ("torch, float16", "float16", {}),
    ):
        backend = TorchBackend(DetectorConfig(border="clip", precision=precision), weights, device, **options)
        found[name] = lambda images, backend=backend: [len(faces) for faces in backend.detect(images)]
    for name, precision in (("fused, on the device", "float32"), ("filtered, on the device", "float16-filter")):
        config = DetectorConfig(border="clip", precision=precision)
        found[name] = on_the_device(TorchBackend(config, weights, device), device)
    try:
        from facenet_pytorch import MTCNN
    except ImportError:
        print("facenet-pytorch is not installed: not compared", file=sys.stderr)
        return found
    peer = MTCNN(keep_all=True, min_face_size=20, device=device)

    def detect(images: list[np.ndarray]) -> list[int]:
        # It takes images of equal sizes only.
        alike = len({image.shape for image in images}) == 1
        groups = [images] if alike else [[image] for image in images]
        found = [peer.detect([Image.fromarray(image) for image in group])[0] for group in groups]
        return [0 if part is None else len(part) for boxes in found for part in boxes]

    found["facenet-pytorch"] = detect
    return found


def on_the_device(backend: Any, device: str) -> Run:
    """Return a function that uploads images once, and from then on detects in what is on the device."""
    import torch

    held: list[Any] = [None, None]

    def run(images: list[np.ndarray]) -> list[int]:
        if held[0] is not images:
            alike = len({image.shape for image in images}) == 1
            parts = [np.stack(images)] if alike else images
            tensors = [torch.from_numpy(part).to(device) for part in parts]
            held[:] = images, tensors[0] if alike else tensors
        return list(backend.detect_tensor(held[1]).counts.tolist())

    return run


def batches_of(size: str, batch: int, photographs: list[np.ndarray]) -> list[np.ndarray]:
    """Return `batch` pictures of a size, or photographs over and over where `size` is "photographs"."""
    if size == "photographs":
        return [photographs[number % len(photographs)] for number in range(batch)]
    width, height = map(int, size.split("x"))
    return [scene(width, height)] * batch


def profile(
    device: str, image: np.ndarray, batch: int, precision: Precision = "float32", **options: Any
) -> list[dict[str, Any]]:
    """Return the time of each kernel in one detection of a batch, by torch's profiler."""
    import torch

    from mtcnn_fast.backends.torch.backend import TorchBackend

    backend = TorchBackend(DetectorConfig(precision=precision), load_weights(None), device, **options)
    images = torch.from_numpy(np.stack([image] * batch)).to(device)
    backend.detect_tensor(images)
    torch.cuda.synchronize(device)
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as recorded:
        backend.detect_tensor(images)
        torch.cuda.synchronize(device)
    # Calls of the runtime are recorded too, and take no time on the device.
    kernels = [(event.key, event.count, event.device_time_total) for event in recorded.key_averages()]
    kernels = [kernel for kernel in kernels if kernel[2] > 0]
    total = sum(kernel[2] for kernel in kernels) or 1
    return [
        {"kernel": name, "launches": count, "us": micros, "share": micros / total}
        for name, count, micros in sorted(kernels, key=lambda kernel: -kernel[2])
    ]


def pyramid_bandwidth(device: str, image: np.ndarray, kernels: list[dict[str, Any]], batch: int) -> dict[str, float]:
    """Return what the pyramid's kernel reads (each image once) and writes per second, and a copy's rate beside it."""
    import torch

    from mtcnn_fast.backends.cascade.plan import make_plan

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


def kernel_ms(kernels: list[dict[str, Any]], *names: str) -> float:
    """Return the milliseconds of the kernels whose names contain any of `names`."""
    return sum(k["us"] for k in kernels if any(name in k["kernel"] for name in names)) / 1e3


def count_crops(image: np.ndarray) -> tuple[int, int]:
    """Return how many crops of an image R-Net and O-Net see."""
    faces = Detector(device="numpy", border="clip").detect(image, trace=True)
    assert isinstance(faces, Faces)
    assert faces.trace is not None
    steps = {step.step: len(step.scores) for step in faces.trace}
    return steps["proposals"], steps["refinement"]


def verdicts(
    card: str,
    rows: list[dict[str, Any]],
    kernels: list[dict[str, Any]],
    crops: tuple[int, int],
    filtered: list[dict[str, Any]],
) -> list[str]:
    """Return a line for each expectation: what was measured, what was expected, and whether it was met.

    Parameters
    ----------
    card : str
        Name of the device; the least times on paper are those of `scripts/gpu_roofline.py`.
    rows, kernels : list of dict
        What `row` and `profile` return; the kernels are those of `VERDICT_BATCH` images of `VERDICT_SIZE`.
    crops : (int, int)
        Of one of these images in R-Net and in O-Net.
    filtered : list of dict
        The kernels with the filter.
    """
    paper = runpy.run_path(str(Path(__file__).resolve().parents[1] / "scripts" / "gpu_roofline.py"))
    known = next((device for device in paper["DEVICES"] if device.name in card), None)
    rates = {
        r["what"]: r["images_per_second"] for r in rows if (r["size"], r["batch"]) == (VERDICT_SIZE, VERDICT_BATCH)
    }
    lines = []

    def judge(name: str, measured: float | None, limit: float, unit: str, *, least: bool) -> None:
        if measured is None or not measured:
            lines.append(f"{name}: not run")
            return
        met = measured >= limit if least else measured <= limit
        word = "at least" if least else "at most"
        lines.append(f"{name}: {measured:.2f} {unit}, expected {word} {limit:.2f}: {'met' if met else 'MISSED'}")

    for what in ("fused", "fused, on the device"):
        judge(f"images a second, {what}", rates.get(what), GOAL, "images/s", least=True)
    torch_rate, peer = rates.get("torch"), rates.get("facenet-pytorch")
    judge("fused against torch's networks", ratio(rates.get("fused"), torch_rate), 2, "times", least=True)
    judge("fused against facenet-pytorch", ratio(rates.get("fused"), peer), 1, "times", least=True)
    for what in ("filtered", "filtered, on the device"):
        exact = what.replace("filtered", "fused")
        judge(f"{what} against {exact}", ratio(rates.get(what), rates.get(exact)), 1, "times", least=True)
    both = kernel_ms(filtered, "pnet_filter_kernel", "pnet_parts_kernel")
    judge("P-Net against that with the filter", ratio(kernel_ms(kernels, "pnet_kernel"), both), 1, "times", least=True)
    if known is None:
        lines.append(f"networks against the limit on paper: not run: no peaks of {card} in scripts/gpu_roofline.py")
    else:
        width, height = map(int, VERDICT_SIZE.split("x"))
        parts = paper["parts"](width, height, VERDICT_BATCH, crops)
        limits = {part.name.partition(",")[0]: part.limit(known, 0.4)[0] for part in parts}
        paper_filter = sum(part.limit(known, 0.4)[0] for part in paper["filtered"](width, height, VERDICT_BATCH))
        judge("P-Net with the filter, 40 % of the peaks", both, paper_filter, "ms", least=False)
        judge("P-Net, 40 % of the peak", kernel_ms(kernels, "pnet_kernel"), limits["P-Net"], "ms", least=False)
        networks = kernel_ms(kernels, "crop_features_kernel", "crop_scores_kernel")
        judge("R-Net and O-Net, 40 % of the peak", networks, limits["R-Net"] + limits["O-Net"], "ms", least=False)
    judge("suppression, all four", kernel_ms(kernels, "nms_"), 0.5, "ms", least=False)
    others = kernel_ms(kernels, "select_", "scan_chunks", "gather_kernel", "pack_faces")
    judge("other kernels of ours", others, 0.5, "ms", least=False)
    launches = sum(k["launches"] for k in kernels if "mtcnn_fast" in k["kernel"]) or None
    judge("launches of a detection", launches, 60, "launches", least=False)
    return lines


def ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--seconds", type=float, default=SHORTEST, help="least time of a measurement (default 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure these alone; names are those in the table")
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="JPEG files to fill batches with as well")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    problem = cuda_problem(int(arguments.device.partition(":")[2] or 0))
    if problem is not None:
        raise SystemExit(f"no CUDA device: {problem}")
    import torch

    device = torch.device(arguments.device)
    runs = contenders(arguments.device)
    if arguments.only:
        unknown = set(arguments.only) - set(runs)
        if unknown:
            parser.error(f"--only: no {sorted(unknown)} here; there is {sorted(runs)}")
        runs = {name: runs[name] for name in arguments.only}
    rows = []
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    print(f"{'what':23s} {'size':>10s} {'batch':>5s} {'images/s':>9s} {'p50 ms':>8s} {'p99 ms':>8s} {'faces':>5s}")
    photographs = []
    if arguments.photographs:
        paths = sorted(arguments.photographs.rglob("*.jpg"))[: max(arguments.batches)]
        # Torch warns of arrays that cannot be written to.
        photographs = [np.array(load_image(path)) for path in paths]
    for size in [*arguments.sizes, *(["photographs"] if photographs else [])]:
        for batch in arguments.batches:
            images = batches_of(size, batch, photographs)
            for name, run in runs.items():
                seconds = measure(
                    lambda run=run, images=images: run(images),
                    lambda: torch.cuda.synchronize(device),
                    arguments.seconds,
                )
                rows.append(row(name, size, batch, seconds, sum(run(images))))
                r = rows[-1]
                print(
                    f"{name:23s} {size:>10s} {batch:5d} {r['images_per_second']:9.1f} {r['p50_ms']:8.2f} "
                    f"{r['p99_ms']:8.2f} {r['faces']:5d}"
                )
    image = scene(*map(int, arguments.sizes[-1].split("x")))
    bandwidth = pyramid_bandwidth(arguments.device, image, profile(arguments.device, image, 8, networks="torch"), 8)
    image = scene(*map(int, VERDICT_SIZE.split("x")))
    kernels, crops = profile(arguments.device, image, VERDICT_BATCH), count_crops(image)
    filtered = profile(arguments.device, image, VERDICT_BATCH, "float16-filter")
    print(f"kernels of {VERDICT_BATCH} images of {VERDICT_SIZE}, crops of each in R-Net and O-Net {crops}:")
    for kernel in kernels[:25]:
        print(f"{kernel['us']:9.0f} us {kernel['share']:6.1%} {kernel['launches']:4d}x {kernel['kernel'][:90]}")
    print("with the filter:")
    for kernel in filtered:
        if "pnet_" in kernel["kernel"]:
            print(f"{kernel['us']:9.0f} us {kernel['share']:6.1%} {kernel['launches']:4d}x {kernel['kernel'][:90]}")
    print(", ".join(f"{name} {value:.0f}" for name, value in bandwidth.items()))
    answers = verdicts(torch.cuda.get_device_name(device), rows, kernels, crops, filtered)
    print("\n".join(answers))
    if arguments.json:
        result = {
            "device": torch.cuda.get_device_name(device),
            "rows": rows,
            "kernels": kernels,
            "filtered_kernels": filtered,
            "crops": crops,
            "verdicts": answers,
            **bandwidth,
        }
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
