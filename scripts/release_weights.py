#!/usr/bin/env python3
"""Make weights that come with the package from those of a training.

    python scripts/release_weights.py NAME FOLDER ... PROVENANCE.toml [--shift o=-0.1]

FOLDER holds p.safetensors, r.safetensors and o.safetensors. Of several folders it takes the mean of their weights
(Wortsman et al. 2022, "Model soups"), in which one named twice counts twice, and --shift adds to a network's logit of a
face. PROVENANCE.toml has what each says of itself: in tables [p], [r] and [o], and above them what all say. The files
go to python/mtcnn_fast/weights/NAME.

Values are rounded to 10 binary digits and stored as float16, which compresses in a wheel to nine tenths of the size of
float32 with as many zeros. Networks that are the default ones are left out, as the loader takes those. The hashes are
printed, for the record.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from mtcnn_fast._version import __version__  # noqa: E402
from mtcnn_fast.training.soft.calibration import shifted  # noqa: E402
from mtcnn_fast.training.stage_networks import save_weights  # noqa: E402
from mtcnn_fast.weights import NETWORKS, Weights, load_weights  # noqa: E402


def short(tensor: np.ndarray) -> np.ndarray:
    fraction, exponent = np.frexp(tensor)
    return np.ldexp(np.rint(fraction * 1024) / 1024, exponent).astype(np.float16)


def rounded(weights: Weights) -> Weights:
    """Return weights of short values."""
    changes: dict[str, Any] = {
        f"{network}net": {name: short(tensor) for name, tensor in getattr(weights, f"{network}net").items()}
        for network in NETWORKS
    }
    return dataclasses.replace(weights, **changes)


def mean(each: list[Weights]) -> Weights:
    """Return the mean of weights, of each number."""
    changes: dict[str, Any] = {}
    for network in NETWORKS:
        tensors = [getattr(weights, f"{network}net") for weights in each]
        changes[f"{network}net"] = {
            name: np.mean([other[name] for other in tensors], axis=0, dtype=np.float64).astype(np.float32)
            for name in tensors[0]
        }
    return dataclasses.replace(each[0], **changes)


def is_default(weights: Weights, network: str) -> bool:
    others = getattr(load_weights(None), f"{network}net")
    return all(np.array_equal(tensor, others[name]) for name, tensor in getattr(weights, f"{network}net").items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("provenance", type=Path)
    parser.add_argument("--shift", action="append", default=[], metavar="NETWORK=LOGIT")
    arguments = parser.parse_args()
    table = tomllib.loads(arguments.provenance.read_text(encoding="utf-8"))
    common = {key: value for key, value in table.items() if key not in NETWORKS}
    facts = {"name": arguments.name, "version": __version__}
    notes = {network: {**facts, **common, **table.get(network, {})} for network in NETWORKS}
    folder = ROOT / "python" / "mtcnn_fast" / "weights" / arguments.name
    weights = mean([load_weights(path) for path in arguments.folders])
    for shift in arguments.shift:
        network, logit = shift.split("=")
        weights = shifted(weights, network, float(logit))
    save_weights(rounded(weights), folder, notes)
    for network in NETWORKS:
        if is_default(weights, network):
            (folder / f"{network}.safetensors").unlink()
    for file, digest in load_weights(folder).sha256.items():
        print(f"{file}  {digest}")


if __name__ == "__main__":
    main()
