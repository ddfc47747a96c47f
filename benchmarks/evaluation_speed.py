"""How long it takes to score synthetic detections on the whole WIDER FACE validation annotation.

    python benchmarks/evaluation_speed.py eval_tools/ground_truth

Each annotated face gets a detection moved by a few pixels, and each image twenty more at random; they are written in
the official form, and the command reads and scores them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mtcnn_fast.evaluation import Detections, read_widerface
from mtcnn_fast.evaluation.prediction_files import write_widerface_predictions


def detections(image, rng):
    """Make up what a detector might find in an image."""
    corners = rng.uniform(0, 900, (20, 2))
    wrong = np.concatenate([corners, corners + rng.uniform(10, 200, (20, 1))], axis=1)
    low = image.boxes[:, :2] + rng.normal(0, 2, (len(image.boxes), 2))
    high = np.maximum(image.boxes[:, 2:] + rng.normal(0, 2, (len(image.boxes), 2)), low + 1)
    boxes = np.concatenate([np.concatenate([low, high], axis=1), wrong])
    return Detections(boxes, rng.uniform(0, 1, len(boxes)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    annotations = parser.parse_args().annotations
    rng = np.random.default_rng(0)
    images = read_widerface(annotations)
    with tempfile.TemporaryDirectory() as folder:
        write_widerface_predictions(folder, {image.key: detections(image, rng) for image in images})
        command = [sys.executable, "-m", "mtcnn_fast", "evaluate", "widerface", "--detections", folder]
        start = time.perf_counter()
        done = subprocess.run([*command, "--annotations", annotations, "--json"], check=True, capture_output=True)
        seconds = time.perf_counter() - start
    figures = json.loads(done.stdout)
    print(f"{figures['label']}\n{figures['average_precision']}\n{seconds:.1f} s to read and score")


if __name__ == "__main__":
    main()
