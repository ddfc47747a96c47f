"""TIFF files made by hand (TIFF 6.0, sections 2, 3, 8 and 15), also of kinds that no library writes."""

from __future__ import annotations

import struct
import zlib

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, ORIENTATION, SAMPLES, ROWS, BYTES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 317, 320, 322, 323, 324, 325
INK_SET, EXTRA, SAMPLE_FORMAT, SUBSAMPLING = 332, 338, 339, 530

DEFLATE = 8


def packed(values: np.ndarray, bits: int) -> bytes:
    """Write rows of values of any number of bits, the highest bit first; each row begins with a new byte."""
    shifts = np.arange(bits - 1, -1, -1)
    rows = values.reshape(len(values), -1, 1) >> shifts & 1
    return np.packbits(rows.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    blocks: list[bytes],
    width: int,
    height: int,
    order: str = "<",
    tags: dict[int, int | list[int]] | None = None,
    *,
    tile: int = 0,
    compressed: bool = False,
) -> bytes:
    """Put a file together.

    Parameters
    ----------
    blocks : list of bytes
        Strips of equal numbers of rows, or tiles.
    width, height : int
    order : {"<", ">"}
    tags : dict
        Further tags; all values are written as 16-bit numbers.
    tile : int
        Side of the square tiles; 0 for strips.
    compressed : bool
        Deflate the blocks.
    """
    if compressed:
        blocks = [zlib.compress(block) for block in blocks]
    starts, at = [], 8
    for block in blocks:
        starts.append(at)
        at += len(block) + len(block) % 2
    entries: dict[int, int | list[int]] = {WIDTH: width, HEIGHT: height, COMPRESSION: DEFLATE if compressed else 1}
    entries.update(tags or {})
    samples = len(entries[BITS]) if isinstance(entries[BITS], list) else 1
    entries[SAMPLES] = samples
    planes = samples if entries.get(PLANAR) == 2 else 1
    longs = {TILE_OFFSETS: starts, TILE_BYTES: [len(b) for b in blocks]} if tile else {
        OFFSETS: starts, BYTES: [len(b) for b in blocks]}  # fmt: skip
    entries.update({TILE_WIDTH: tile, TILE_HEIGHT: tile} if tile else {ROWS: -(-height * planes // len(blocks))})
    entries.update(longs)
    directory, extra = b"", b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, list) else [value]
        kind, letter = (4, "I") if tag in longs else (3, "H")
        data = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(data) > 4:
            place = struct.pack(f"{order}I", after + len(extra))
            extra += data
            data = place
        directory += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    body = b"".join(block + b"\0" * (len(block) % 2) for block in blocks)
    return head + body + struct.pack(f"{order}H", len(entries)) + directory + b"\0" * 4 + extra


def tiff_of(
    pixels: np.ndarray,
    order: str = "<",
    tags: dict[int, int | list[int]] | None = None,
    *,
    strips: int = 2,
    tile: int = 0,
    planar: bool = False,
    compressed: bool = False,
    predictor: bool = False,
) -> bytes:
    """Write an array (H, W) or (H, W, C) of whole bytes: in strips or tiles, pixel by pixel or plane by plane."""
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    height, width, samples = pixels.shape
    bits = pixels.dtype.itemsize * 8
    photometric = 1 if samples < 3 else 2
    entries: dict[int, int | list[int]] = {BITS: [bits] * samples if samples > 1 else bits, PHOTOMETRIC: photometric}
    if planar:
        entries[PLANAR] = 2
    if predictor:
        entries[PREDICTOR] = 2
    planes = [pixels[:, :, i : i + 1] for i in range(samples)] if planar else [pixels]
    parts = [part for plane in planes for part in (_tiles(plane, tile) if tile else np.array_split(plane, strips))]
    if predictor:
        parts = [np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1])) for part in parts]
    blocks = [part.astype(part.dtype.newbyteorder(order)).tobytes() for part in parts]
    return tiff(blocks, width, height, order, {**entries, **(tags or {})}, tile=tile, compressed=compressed)


def _tiles(plane: np.ndarray, side: int) -> list[np.ndarray]:
    height, width = plane.shape[:2]
    padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
    return [
        padded[y : y + side, x : x + side]
        for y in range(0, padded.shape[0], side)
        for x in range(0, padded.shape[1], side)
    ]
