#!/usr/bin/env python3
"""Measure what the filters before R-Net and O-Net need to know of weights: ranges of activations, and margins.

    python scripts/calibrate_filter.py FOLDER ...             images in these folders; prints what it finds
    python scripts/calibrate_filter.py --write FOLDER ...     and puts it into python/mtcnn_fast/weights/int8.json
    python scripts/calibrate_filter.py --filter amx FOLDER ... the hashes and the margins for weights/margins.py

The ranges, which int8 needs, are those of each channel over P-Net's proposals. Then the difference of a network's two
logits is computed exactly and by the filter, for its windows at the settings below: P-Net's proposals, and what R-Net
leaves of them. The margin is a multiple of the most that the exact one is above the filter's. Every instruction set has
the same bits, so that one run serves all. On a processor without AMX, amx needs a build with MTCNN_FAST_EMULATE_AMX.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn_fast import ops
from mtcnn_fast.backends.native import engine_with, filter_with
from mtcnn_fast.backends.numpy.nets import RNet
from mtcnn_fast.config import FILTERS, DetectorConfig, Filter
from mtcnn_fast.images import load_image
from mtcnn_fast.listing import SUFFIXES
from mtcnn_fast.weights import Weights, load_weights
from mtcnn_fast.weights.int8 import STORED, TABLE
from mtcnn_fast.weights.margins import faces_hash, windows_hash

#: The margin is this many times the greatest difference seen. Emulated, amx is measured on fewer images.
SAFETY = {"int8": 2.0, "amx": 4.0}
#: Windows of an image that the ranges are taken of.
WINDOWS = 64
#: The networks that a filter is before.
NETWORKS: dict[Filter, tuple[str, ...]] = {"int8": ("rnet",), "amx": ("rnet", "onet")}
#: The hash by which the margin before each network is kept.
HASHES = {"rnet": windows_hash, "onet": faces_hash}
_USERS = (
    DetectorConfig(),
    DetectorConfig(border="clip"),
    DetectorConfig(min_face_size=10, thresholds=(0.5, 0.5, 0.3)),
    DetectorConfig(min_face_size=30, thresholds=(0.2, 0.5, 0.5)),
)
#: Settings whose windows are compared: those of users, and for windows less like faces the threshold before the network
#: much lower, P-Net's or R-Net's.
SETTINGS = {"rnet": _USERS, "onet": (*_USERS, DetectorConfig(thresholds=(0.5, 0.05, 0.3)))}

Ranges = dict[str, npt.NDArray[np.float32]]


def paths_in(folders: list[Path], every: int) -> list[Path]:
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    return paths[::every]


def measure_ranges(weights: Weights, paths: list[Path]) -> Ranges:
    """Return the least, the greatest and the mean value of each channel that a layer stores."""
    config = DetectorConfig()
    engine = engine_with(config, weights, None)
    network = RNet(weights.rnet)
    random = np.random.default_rng(0)
    found: dict[str, list[npt.NDArray[np.float32]]] = {}
    weighed: dict[str, list[int]] = {}
    for image in map(load_image, paths):
        ((boxes, _),) = engine.propose([image], 1)
        boxes = boxes[random.permutation(len(boxes))[:WINDOWS]]
        if not len(boxes):
            continue
        crops, _ = ops.crop_pad_resize(image, boxes, RNet.size, config.border)
        for name, values in zip(STORED, network.maps(crops), strict=True):
            axes = (1, 2, 3)
            found.setdefault(name, []).append(np.stack([values.min(axes), values.max(axes), values.mean(axes)]))
            weighed.setdefault(name, []).append(len(boxes))
    return {
        name: np.stack([parts[:, 0].min(0), parts[:, 1].max(0), np.average(parts[:, 2], 0, weighed[name])])
        for name, parts in ((name, np.stack(parts)) for name, parts in found.items())
    }


def compare(
    name: Filter, network: str, weights: Weights, ranges: Ranges | None, paths: list[Path]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the differences of the logits of all windows of a network, exact and by the filter before it."""
    nothing = dict.fromkeys(NETWORKS[name], 0.0)
    pairs = []
    for config in SETTINGS[network]:
        engine = engine_with(config, weights, filter_with(name, weights, nothing, ranges))
        for image in map(load_image, paths):
            pairs += engine.filter_differences([image], network, 1)
    exact, rough = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return exact, rough


def report(
    name: Filter, network: str, weights: Weights, exact: npt.NDArray[np.float32], rough: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Print what was found; return the greatest difference and the margin."""
    # Where the filter does not know, it drops nothing: the margin is not for that.
    known = np.isfinite(rough)
    print(f"{network}: {len(exact)} windows, beyond the ranges in {1 - known.mean():.2%}")
    above, scored = (exact - rough)[known], exact[known]
    greatest = float(above.max())
    margin = SAFETY[name] * greatest
    print(f"exact - filter: least {above.min():.4f}, greatest {greatest:.4f}, standard deviation {above.std():.4f}")
    print(f"greatest where the exact score is above 0.3: {above[scored > np.log(0.3 / 0.7)].max():.4f}")
    for threshold in (0.5, 0.7):
        logit = np.log(threshold / (1 - threshold))
        print(f"at {threshold}: {(exact > logit).mean():.2%} pass, {(rough < logit - margin).mean():.2%} dropped")
    print(f"{HASHES[network](weights)}: margin {margin:.6f}", flush=True)
    return greatest, margin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--every", type=int, default=1, help="take one image of so many")
    parser.add_argument("--weights", help="those of the package unless given")
    parser.add_argument("--filter", choices=FILTERS, default="int8")
    parser.add_argument("--network", choices=HASHES, help="of those that the filter has; all unless given")
    parser.add_argument("--write", action="store_true", help="renew the committed table of int8")
    options = parser.parse_args()
    name: Filter = options.filter
    networks = (options.network,) if options.network else NETWORKS[name]
    if options.network and options.network not in NETWORKS[name]:
        parser.error(f"--network must be {' or '.join(NETWORKS[name])} with --filter {name}, got {options.network!r}")
    if options.write and name != "int8":
        parser.error(f"--write is for --filter int8: the margins of {name} are constants in weights/margins.py")
    weights = load_weights(options.weights)
    paths = paths_in(options.folders, options.every)
    print(f"{len(paths)} images")
    ranges = measure_ranges(weights, paths) if name == "int8" else None
    for network in networks:
        exact, rough = compare(name, network, weights, ranges, paths)
        greatest, margin = report(name, network, weights, exact, rough)
        if options.write and ranges is not None:
            write(weights, str(options.weights or "zhang2016"), ranges, len(exact), greatest, margin)
    return 0


def write(weights: Weights, named: str, ranges: Ranges, windows: int, greatest: float, margin: float) -> None:
    """Renew these weights' entry of the table of int8."""
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    table[windows_hash(weights)] = {
        "weights": named,
        "windows": windows,
        "greatest": round(greatest, 6),
        "margin": round(margin, 6),
        "ranges": {name: [[round(float(x), 5) for x in row] for row in ranges[name]] for name in STORED},
    }
    TABLE.write_text(json.dumps(table) + "\n")


if __name__ == "__main__":
    sys.exit(main())
