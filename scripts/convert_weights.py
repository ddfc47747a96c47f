#!/usr/bin/env python3
"""Convert the networks of the facenet-pytorch 2.6.0 wheel into the package's safetensors files.

    python scripts/convert_weights.py [--wheel FILE] [--out FOLDER]

Without ``--wheel`` the wheel is fetched with ``pip download``. Sources and outputs are compared with the SHA-256
recorded below, so a run either reproduces the committed files byte for byte or fails. Needs torch to read the wheel's
files; pickles are read with ``weights_only=True``, which runs no code from them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

from mtcnn_fast.weights.spec import FORMAT_VERSION, NETWORKS, SHAPES  # noqa: E402

REQUIREMENT = "facenet-pytorch==2.6.0"

SOURCES = {
    "p": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "r": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "o": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
OUTPUTS = {
    "p": "2f76d090bebfe7060a48d33342660ca7a5e611f679beb3cf3424458cb729f1b6",
    "r": "fd461b55803f6b419bbd96e7d8e6e37353535ee785b9bac3fb3ce5a354065ec5",
    "o": "99f08b2017001e1fc5ecd9428ed4119ef768fc2f6b70aebbf83c66cce9f85d99",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {REQUIREMENT} (default: fetch it with pip)")
    parser.add_argument("--out", type=Path, default=ROOT / "python/mtcnn_fast/weights", help="where the files go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or fetch_wheel(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            files = {network: archive.read(f"facenet_pytorch/data/{network}net.pt") for network in NETWORKS}

    options.out.mkdir(parents=True, exist_ok=True)
    for network, source in files.items():
        check(f"{network}net.pt", source, SOURCES[network])
        metadata = {"format_version": FORMAT_VERSION, "network": network, "box_coding": "corner"}
        converted = serialize(read_tensors(network, source), metadata)
        check(f"{network}.safetensors", converted, OUTPUTS[network])
        (options.out / f"{network}.safetensors").write_bytes(converted)
    return 0


def fetch_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def check(name: str, data: bytes, expected: str) -> None:
    """Print the SHA-256 and stop if it is not the recorded one."""
    digest = hashlib.sha256(data).hexdigest()
    print(f"{digest}  {name}  {len(data)} bytes")
    if digest != expected:
        raise SystemExit(f"{name}: sha256 is {digest}, expected {expected}")


def read_tensors(network: str, source: bytes) -> dict[str, np.ndarray]:
    """Read a state dictionary and compare its names and shapes with the package's."""
    import torch

    state = torch.load(io.BytesIO(source), map_location="cpu", weights_only=True)
    tensors = {name: tensor.numpy() for name, tensor in state.items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != dict(SHAPES[network]) or any(tensor.dtype != np.float32 for tensor in tensors.values()):
        raise SystemExit(f"{network}net.pt holds other tensors than expected: {found}")
    return tensors


def serialize(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a safetensors file, always the same for the same input.

    The library's own writer puts the metadata in random order. Layout:
    https://huggingface.co/docs/safetensors/index#format
    """
    header: dict[str, object] = {"__metadata__": metadata}
    body = b""
    for name, tensor in sorted(tensors.items()):
        data = np.ascontiguousarray(tensor, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data starts at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + body


if __name__ == "__main__":
    sys.exit(main())
