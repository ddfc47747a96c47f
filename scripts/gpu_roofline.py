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
    """Peaks of NVIDIA's data sheets: float32 without tensor cores, memory, the bus in one direction, and tensor cores.

    The latter with factors of half precision and sums of float32. The shared memory of a multiprocessor gives 128 bytes
    a clock, which is what 16 of its float32 units take: 64 of them work at a time on T4 and A100, 128 on others.
    """

    name: str
    tera_flops: float
    memory_gb_s: float
    bus_gb_s: float
    tensor_tera_flops: float
    units: int = 128

    @property
    def shared_tb_s(self) -> float:
        return self.tera_flops * 64 / self.units


DEVICES = [
    Device("T4", 8.1, 320, 15.8, 65, units=64),
    Device("A100", 19.5, 2039, 31.5, 312, units=64),
    Device("L40S", 91.6, 864, 31.5, 362),
    Device("H100", 67, 3350, 63, 989),
    Device("H200", 67, 4800, 63, 989),
    Device("B200", 75, 8000, 63, 2250),
]


@dataclasses.dataclass(frozen=True)
class Part:
    """What a part of a detection has to do for a batch."""

    name: str
    flop: float
    memory_bytes: float
    bus_bytes: float = 0
    tensor_flop: float = 0
    shared_bytes: float = 0

    def limit(self, device: Device, share: float) -> tuple[float, str]:
        """Return milliseconds and what decides them."""
        bounds = {
            "arithmetic": self.flop / (share * device.tera_flops * 1e9),
            "memory": self.memory_bytes / (device.memory_gb_s * 1e6),
            "bus": self.bus_bytes / (device.bus_gb_s * 1e6),
            "tensor cores": self.tensor_flop / (share * device.tensor_tera_flops * 1e9),
            "shared memory": self.shared_bytes / (share * device.shared_tb_s * 1e9),
        }
        bound = max(bounds, key=lambda name: bounds[name])
        return bounds[bound], bound


#: Cells of the wide tile, and multiplications that it takes: 36 x 20 pooled places of 4 x 10 x 27, then 36 x 18 places
#: of 16 x 90, 32 x 16 of 32 x 144, and the heads' 6 x 32.
TILE = (32, 16)
TILE_PRODUCTS = 36 * 20 * 4 * 10 * 27 + 36 * 18 * 16 * 90 + 32 * 16 * (32 * 144 + 6 * 32)

#: The filter of the wide tile: products of 16 x 16 x 8, for 180 matrices of places of the first convolution (three
#: steps, two groups of outputs), 40 of the second (nine, two) and 32 of the third (nine, four). And what a warp reads
#: for them: words of a place in each step, or of four rows once, and the factors for two matrices of places at a time.
FILTER_MATRICES = 180 * 3 * 2 + 40 * 9 * 2 + 32 * 9 * 4
FILTER_SHARED = 128 * (180 * 8 + 40 * 9 * 4 + 32 * 9 * 4) + 256 * (20 * 9 * 2 + 16 * 9 * 4)
#: Exact parts of 8 x 8 cells: 12 x 12 pooled places, 12 x 10 of the second map, 8 x 8 cells. The share of them that the
#: filter takes is measured: `scripts/filter_margins.py` on 552 photographs.
PART = 8
PART_PRODUCTS = 12 * 12 * 4 * 10 * 27 + 12 * 10 * 16 * 90 + 8 * 8 * (32 * 144 + 6 * 32)
PARTS_TAKEN = 0.218

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


def count(width: int, height: int) -> tuple[int, int, int]:
    """Return the cells of all levels of an image, the tiles, and the parts of tiles that have cells."""
    cells = tiles = pieces = 0
    for w, h in levels(width, height):
        columns, rows = cells_along(w), cells_along(h)
        cells += columns * rows
        tiles += -(-columns // TILE[0]) * -(-rows // TILE[1])
        pieces += -(-columns // PART) * -(-rows // PART)
    return cells, tiles, pieces


def filtered(width: int, height: int, batch: int) -> list[Part]:
    """Return what stands for the fused P-Net where tensor cores filter: the filter, and P-Net on what it takes."""
    cells, tiles, pieces = count(width, height)
    image = 3 * width * height
    products = FILTER_MATRICES * 16 * 16 * 8
    taken = PARTS_TAKEN * pieces
    return [
        Part(
            "P-Net's filter",
            0,
            batch * (image + 4 * cells),
            tensor_flop=2 * batch * tiles * products,
            shared_bytes=batch * tiles * FILTER_SHARED,
        ),
        Part("P-Net, parts taken", 2 * batch * taken * PART_PRODUCTS, batch * (image + 20 * PARTS_TAKEN * cells)),
    ]


def parts(width: int, height: int, batch: int, crops: tuple[float, float] | None = None) -> list[Part]:
    """Return the parts of a detection of a batch; `crops` has those of an image in R-Net and in O-Net, if counted."""
    if crops is None:
        share = width * height / (640 * 480)
        crops = CROPS[0] * share, CROPS[1] * share
    cells, tiles, _ = count(width, height)
    image = 3 * width * height

    def network(name: str, number: float, products: int, maps: int) -> Part:
        return Part(name, 2 * number * products, batch * image + 2 * number * maps)

    return [
        Part("upload", 0, 0, batch * image),
        Part("P-Net, fused", 2 * batch * tiles * TILE_PRODUCTS, batch * (image + 20 * cells)),
        network("R-Net, fused", batch * crops[0], RNET_PRODUCTS, RNET_MAPS),
        network("O-Net, fused", batch * crops[1], ONET_PRODUCTS, ONET_MAPS),
    ]


def table(width: int, height: int, batch: int, share: float) -> str:
    rows = [f"| ms for {batch} images of {width}x{height} | GFLOP | MB | " + " | ".join(d.name for d in DEVICES) + " |"]
    rows.append("|---|--:|--:|" + "--:|" * len(DEVICES))
    upload, pnet, *crops = parts(width, height, batch)
    filters = filtered(width, height, batch)
    for part in (upload, pnet, *crops, *filters):
        limits = [part.limit(device, share) for device in DEVICES]
        moved = (part.memory_bytes + part.bus_bytes) / 1e6
        cells = " | ".join(f"{milliseconds:.2f} ({bound})" for milliseconds, bound in limits)
        rows.append(f"| {part.name} | {(part.flop + part.tensor_flop) / 1e9:.1f} | {moved:.0f} | {cells} |")
    uploads = [upload.limit(device, share)[0] for device in DEVICES]
    for work, suffix in (([pnet, *crops], ""), ([*filters, *crops], ", with the filter")):
        busy = [sum(part.limit(device, share)[0] for part in work) for device in DEVICES]
        for name, times in (
            ("images/s, one after the other", [a + b for a, b in zip(busy, uploads, strict=True)]),
            ("images/s, upload beside the rest", [max(a, b) for a, b in zip(busy, uploads, strict=True)]),
        ):
            rates = " | ".join(f"{batch / time * 1e3:,.0f}" for time in times)
            rows.append(f"| {name}{suffix} | | | {rates} |")
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
