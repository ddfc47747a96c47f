#!/usr/bin/env python3
"""Limits on paper: the least time of each part of a detection on several devices, and what decides it.

Nothing is measured. A part takes at least its arithmetic at the device's peak, and at least its bytes at the memory's
rate; the larger of the two is printed with its bound. ``--share`` assumes a share of the peak in place of all of it.

    python scripts/gpu_roofline.py [--size 640x480] [--batch 64] [--share 0.45] [--page docs/cuda.md]
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Device:
    """Peaks of NVIDIA's data sheets: float32 without tensor cores, memory, and the bus in one direction."""

    name: str
    tera_flops: float
    memory_gb_s: float
    bus_gb_s: float


DEVICES = [
    Device("T4", 8.1, 320, 15.8),
    Device("A100", 19.5, 2039, 31.5),
    Device("L40S", 91.6, 864, 31.5),
    Device("H100", 67, 3350, 63),
    Device("H200", 67, 4800, 63),
    Device("B200", 75, 8000, 63),
]


@dataclasses.dataclass(frozen=True)
class Part:
    """What a part of a detection has to do for a batch."""

    name: str
    flop: float
    memory_bytes: float
    bus_bytes: float = 0

    def limit(self, device: Device, share: float) -> tuple[float, str]:
        """Return milliseconds and what decides them."""
        bounds = {
            "arithmetic": self.flop / (share * device.tera_flops * 1e9),
            "memory": self.memory_bytes / (device.memory_gb_s * 1e6),
            "bus": self.bus_bytes / (device.bus_gb_s * 1e6),
        }
        bound = max(bounds, key=lambda name: bounds[name])
        return bounds[bound], bound


#: Cells of the wide tile, and multiplications that it takes: 36 x 20 pooled places of 4 x 10 x 27, then 36 x 18 places
#: of 16 x 90, 32 x 16 of 32 x 144, and the heads' 6 x 32.
TILE = (32, 16)
TILE_PRODUCTS = 36 * 20 * 4 * 10 * 27 + 36 * 18 * 16 * 90 + 32 * 16 * (32 * 144 + 6 * 32)

#: Multiplications of a crop: places x taps x channels of each layer (docs/semantics.md, Networks). In the first one a
#: thread computes the 3 x 7 places that three pooled ones look at, so neighbours compute what they share twice.
RNET_PRODUCTS = 11 * 4 * 21 * 27 * 28 + 9**2 * 28 * 9 * 48 + 3**2 * 48 * 4 * 64 + 576 * 128 + 128 * 6
ONET_PRODUCTS = (
    23 * 8 * 21 * 27 * 32 + 21**2 * 32 * 9 * 64 + 8**2 * 64 * 9 * 64 + 3**2 * 64 * 4 * 128 + 1152 * 256 + 256 * 16
)
#: Bytes of the maps between the two launches, written once and read once: 4 x 4 places of 48 and of 64 channels.
RNET_MAPS, ONET_MAPS = 4 * 16 * 48, 4 * 16 * 64
#: Crops of R-Net and O-Net that an ordinary picture of 640x480 is assumed to have, one face on it.
CROPS = (80, 20)


def cells_along(length: int) -> int:
    return (length - 1) // 2 - 4


def levels(width: int, height: int) -> list[tuple[int, int]]:
    """Return width and height of each level, for the default settings."""
    found, scale = [], 12 / 20
    while min(width, height) * scale >= 12:
        found.append((int(width * scale + 1), int(height * scale + 1)))
        scale *= 0.709
    return found


def parts(width: int, height: int, batch: int, crops: tuple[float, float] | None = None) -> list[Part]:
    """Return the parts of a detection of a batch; `crops` has those of an image in R-Net and in O-Net, if counted."""
    if crops is None:
        share = width * height / (640 * 480)
        crops = CROPS[0] * share, CROPS[1] * share
    cells = tiles = 0
    for w, h in levels(width, height):
        columns, rows = cells_along(w), cells_along(h)
        cells += columns * rows
        tiles += -(-columns // TILE[0]) * -(-rows // TILE[1])
    image = 3 * width * height

    def network(name: str, count: float, products: int, maps: int) -> Part:
        return Part(name, 2 * count * products, batch * image + 2 * count * maps)

    return [
        Part("upload", 0, 0, batch * image),
        Part("P-Net, fused", 2 * batch * tiles * TILE_PRODUCTS, batch * (image + 20 * cells)),
        network("R-Net, fused", batch * crops[0], RNET_PRODUCTS, RNET_MAPS),
        network("O-Net, fused", batch * crops[1], ONET_PRODUCTS, ONET_MAPS),
    ]


def table(width: int, height: int, batch: int, share: float) -> str:
    rows = [f"| ms for {batch} images of {width}x{height} | GFLOP | MB | " + " | ".join(d.name for d in DEVICES) + " |"]
    rows.append("|---|--:|--:|" + "--:|" * len(DEVICES))
    upload, *work = parts(width, height, batch)
    for part in (upload, *work):
        limits = [part.limit(device, share) for device in DEVICES]
        moved = (part.memory_bytes + part.bus_bytes) / 1e6
        cells = " | ".join(f"{milliseconds:.2f} ({bound})" for milliseconds, bound in limits)
        rows.append(f"| {part.name} | {part.flop / 1e9:.1f} | {moved:.0f} | {cells} |")
    busy = [sum(part.limit(device, share)[0] for part in work) for device in DEVICES]
    uploads = [upload.limit(device, share)[0] for device in DEVICES]
    for name, times in (
        ("images/s, one after the other", [a + b for a, b in zip(busy, uploads, strict=True)]),
        ("images/s, upload beside the rest", [max(a, b) for a, b in zip(busy, uploads, strict=True)]),
    ):
        rows.append(f"| {name} | | | " + " | ".join(f"{batch / time * 1e3:,.0f}" for time in times) + " |")
    return "\n".join(rows)


def main() -> None:
    from page_block import write_block

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--share", type=float, default=0.45, help="of the arithmetic peak that is reached")
    parser.add_argument("--page", type=Path, help="page to write the table to")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    text = table(width, height, arguments.batch, arguments.share)
    print(text)
    if arguments.page:
        write_block(arguments.page, "scripts/gpu_roofline.py", text)


if __name__ == "__main__":
    main()
