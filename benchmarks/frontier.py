"""Speed against accuracy: average precision and time an image for many settings, on the same images in one run.

    python benchmarks/frontier.py --images WIDER_val/images --annotations eval_tools/ground_truth --out frontier

Results are added to OUT/frontier.json one setting at a time, so a run that was interrupted continues. Each setting
passes over the images once, on one thread; times are the processor's time for detection alone, which other work on the
machine changes less than the time on the wall. The decoded images are held in memory, some 450 MB for 209 of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

from mtcnn_fast import Detector
from mtcnn_fast.datasets.widerface import read_widerface_images
from mtcnn_fast.evaluation.plots import frontier, plot_frontier
from mtcnn_fast.evaluation.reports import as_markdown
from mtcnn_fast.evaluation.systems import from_faces
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.images import load_image

MIN_FACE_SIZES = (60, 40, 30, 20, 15, 10)
THRESHOLDS = ((0.6, 0.7, 0.7), (0.5, 0.5, 0.3), (0.7, 0.8, 0.3))
FACTORS = (0.6, 0.709, 0.79)

#: Settings whose name is written into the plot.
NAMED = {
    "default": (20, (0.6, 0.7, 0.7), 0.709),
    "fast": (40, (0.7, 0.8, 0.3), 0.6),
    "accurate": (10, (0.5, 0.5, 0.3), 0.709),
    "authors'": (10, (0.5, 0.5, 0.3), 0.79),
}
SUBSETS = ("easy", "medium", "hard")


def measure(setting, pixels, images, total):
    """Detect in all images with one setting; return its figures."""
    size, thresholds, factor = setting
    config = {"min_face_size": size, "thresholds": thresholds, "factor": factor}
    found, seconds = {}, 0.0
    with Detector("cpu", num_threads=1, **config) as detector:
        detector.detect(next(iter(pixels.values())))
        for key, image in pixels.items():
            start = time.process_time()
            faces = detector.detect(image)
            seconds += time.process_time() - start
            found[key] = from_faces(faces)
    result = score_widerface(images, found, of_images=total)
    milliseconds = 1000 * seconds / len(pixels)
    return {**config, "milliseconds": milliseconds, "average_precision": result.average_precision}, result.label


def key_of(point):
    return point["min_face_size"], tuple(point["thresholds"]), point["factor"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take one image in so many")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    store = arguments.out / "frontier.json"
    annotated = read_widerface_images(arguments.annotations)
    present = {image.key: arguments.images / f"{image.key}.jpg" for image in annotated}
    files = {key: path for key, path in list(present.items())[:: arguments.every] if path.is_file()}
    images = [image for image in annotated if image.key in files]
    state = {"label": "", "images": list(files), "points": []}
    if store.exists():
        state = json.loads(store.read_text())
        if state["images"] != list(files):
            parser.error(f"{store} is of other images: give another folder, or remove it")
    pixels = {key: load_image(path) for key, path in files.items()}

    done = {key_of(point) for point in state["points"]}
    for setting in itertools.product(MIN_FACE_SIZES, THRESHOLDS, FACTORS):
        if setting in done:
            continue
        point, state["label"] = measure(setting, pixels, images, len(annotated))
        state["points"].append(point)
        store.write_text(json.dumps(state, indent=1) + "\n")
        print(*setting, f"{point['milliseconds']:.1f} ms", point["average_precision"], flush=True)

    names = {setting: name for name, setting in NAMED.items()}
    points = [
        {**point, "label": names.get(key_of(point), ""), "named": key_of(point) in names} for point in state["points"]
    ]
    for subset in SUBSETS:
        plot_frontier(arguments.out / f"frontier-{subset}.png", points, subset, state["label"])
    rows = [
        (
            point["label"] or "-",
            f"{point['min_face_size']:g}",
            " / ".join(f"{value:g}" for value in point["thresholds"]),
            f"{point['factor']:g}",
            f"{point['milliseconds']:.1f}",
            *(point["average_precision"][subset] for subset in SUBSETS),
        )
        for point in sorted(points, key=lambda point: point["milliseconds"])
        if point["named"] or points.index(point) in on_a_frontier(points)
    ]
    columns = ("setting", "min_face_size", "thresholds", "factor", "ms of CPU", *SUBSETS)
    (arguments.out / "frontier.md").write_text(f"{state['label']}\n\n{as_markdown(columns, rows)}")


def on_a_frontier(points):
    """Return the indices of the points that are best for their time in some sub-set of faces."""
    times = [point["milliseconds"] for point in points]
    return {i for subset in SUBSETS for i in frontier(times, [point["average_precision"][subset] for point in points])}


if __name__ == "__main__":
    main()
