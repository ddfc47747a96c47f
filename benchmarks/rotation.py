"""How many faces are found when the picture is turned: the cascade was trained on upright ones.

    python benchmarks/rotation.py --images landmarks --annotations landmarks/net_7876.txt --every 13

A face counts as found where a detection overlaps its box, turned with the picture about its centre, by 0.3 or more.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image

from mtcnn_fast import Detector
from mtcnn_fast.evaluation import read_landmarks
from mtcnn_fast.evaluation.landmarks import LEAST_OVERLAP
from mtcnn_fast.faces.overlap import iou_matrix

ANGLES = (0, 15, 30, 45, 60, 90, 180)


def turned_box(box, size, angle):
    """Turn a box's centre about the picture's, as PIL turns the picture (counter-clockwise)."""
    center = (box[:2] + box[2:]) / 2 - np.array(size) / 2
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    moved = np.array([cos * center[0] + sin * center[1], cos * center[1] - sin * center[0]]) + np.array(size) / 2
    half = (box[2:] - box[:2]) / 2
    return np.concatenate([moved - half, moved + half])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take one face in so many")
    parser.add_argument("--weights", default=None, help="name or path of the networks")
    arguments = parser.parse_args()
    faces = read_landmarks(arguments.annotations)[:: arguments.every]
    with Detector(weights=arguments.weights) as detector:
        for angle in ANGLES:
            found = 0
            for face in faces:
                with Image.open(arguments.images / face.path) as picture:
                    turned = np.asarray(picture.convert("RGB").rotate(angle, Image.Resampling.BILINEAR))
                    box = turned_box(face.box, picture.size, angle)
                boxes = detector.detect(turned).boxes.astype(float)
                found += bool((iou_matrix(boxes, box[None], inclusive=False) >= LEAST_OVERLAP).any())
            print(f"{angle:4} degrees: {found} of {len(faces)} faces ({100 * found / len(faces):.1f} %)", flush=True)


if __name__ == "__main__":
    main()
