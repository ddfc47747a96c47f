"""What fuzzing starts from: small valid inputs of every kind, and what earlier runs found."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from fuzz.targets import READERS

#: Inputs that once broke a promise: ``seeds/TARGET/NAME``.
FOUND = Path(__file__).with_name("seeds")

_ROOT = Path(__file__).parents[2]

_TEXTS = {
    "wider.txt": b"0--E/a.jpg\n1\n18 6 8 11 0 0 0 0 0 0\n0--E/b.png\n0\n0 0 0 0 0 0 0 0 0 0\n",
    "label.txt": b"# 0--E/a.jpg\n18 6 8 11 1 2 0 3 4 0 5 6 0 7 8 0 9 1 0 0.9\n# 0--E/b.jpg\n1 2 3 4\n",
    "FDDB-fold-01-ellipseList.txt": b"2002/img_1\n1\n67.3 44.5 -1.47 105.2 87.2  1\n2002/img_2\n0\n",
    "landmarks.txt": b"a\\b.jpg 1 20 2 30 5 9 15 9 10 15 6 20 14 20\nc.jpg 3 40 3 33 20 20 9 9 9 22\n",
    "mtfl.txt": b"a.jpg 5 15 10 6 14 9 9 15 20 20 1 2 1 3\n",
    "coco.json": json.dumps({
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 8}],
        "categories": [{"id": 1, "name": "face"}],
        "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 1, "keypoints": [1, 2, 2] * 5}],
    }).encode(),
    "celeba": (
        b"1\nimage_id x_1 y_1 width height\n000001.jpg 95 71 226 313\n---\n1\nlefteye_x lefteye_y righteye_x righteye_y"
        b" nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y\n000001.jpg 1 2 3 4 5 6 7 8 9 10\n"
        b"---\n000001.jpg 0\n"
    ),
    "a.txt": b"a\n2\n1 2 3 4 0.9\n5 6 7 8 0.8\n",
    "fddb.txt": b"a/b\n1\n1 2 3 4 0.9\na/c\n0\n",
    "DiscROC.txt": b"0.9 100 0.1\n0.5 10 0.5\n0 0 1.79769e+308\n",
}  # fmt: skip


def seeds(target: str) -> list[bytes]:
    """Return the inputs that a target starts from."""
    made = {
        "image_bytes": _images,
        "arrays": _arrays,
        "weights": _weights,
        "annotations": _annotations,
        "configurations": _configurations,
        "differential": _detections,
    }[target]()
    return [*made, *(path.read_bytes() for path in sorted(FOUND.glob(f"{target}/*")))]


def _images() -> list[bytes]:
    color = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    gray16 = Image.fromarray(color[:, :, 0].astype(np.uint16) * 257)
    picture = Image.fromarray(color)
    exif = Image.Exif()
    exif[0x0112] = 6
    files: list[tuple[Image.Image, str, dict[str, object]]] = [
        (picture, "PNG", {"exif": exif}),
        (picture.convert("RGBA"), "PNG", {}),
        (picture.quantize(4), "PNG", {"transparency": 1}),
        (gray16, "PNG", {}),
        (picture, "JPEG", {"exif": exif}),
        (picture, "JPEG", {"progressive": True}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "WEBP", {}),
        (picture.convert("RGBA"), "WEBP", {"lossless": True}),
        (picture.quantize(4), "GIF", {"save_all": True, "append_images": [picture.quantize(3)], "disposal": 2}),
        (picture, "BMP", {}),
        (picture.convert("1"), "BMP", {}),
        (picture, "PPM", {}),
        (gray16, "PPM", {}),
        (picture, "TGA", {}),
        (picture, "ICO", {}),
        (picture, "MPO", {}),
        (picture, "JPEG2000", {}),
        (gray16, "TIFF", {}),
        (picture.convert("F"), "TIFF", {}),
        (picture.convert("1"), "TIFF", {"compression": "group4"}),
        (picture.convert("CMYK"), "TIFF", {}),
        (picture.convert("LAB"), "TIFF", {}),
        *((picture, "TIFF", {"compression": name}) for name in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate")),
    ]
    result = []
    for image, kind, options in files:
        file = io.BytesIO()
        image.save(file, kind, **options)
        result.append(struct.pack("<H", image.mode == "F") + file.getvalue())
    return result


def _arrays() -> list[bytes]:
    shapes = ([5, 7], [5, 7, 3], [5, 7, 4], [3, 5, 7], [2, 5, 7, 3])
    heads = [
        [kind, len(shape), *shape, color, layout, value_range, 0, *[step] * len(shape)]
        for kind in range(8)
        for shape in shapes
        for color, layout, value_range, step in ((0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 2, 2))
    ]
    return [struct.pack(f"<{len(head)}H", *head) + bytes(range(40, 90)) for head in heads]


def _weights() -> list[bytes]:
    # One network's file, cut after its header: what the header says is what there is to get wrong.
    folder = _ROOT / "python" / "mtcnn_fast" / "weights"
    small = min(folder.glob("**/p.safetensors"), key=str).read_bytes()
    header = struct.pack("<Q", 2) + b"{}"
    tensor = json.dumps({
        "__metadata__": {"format_version": "1", "box_coding": "corner", "network": "p"},
        "p.conv1.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }).encode()  # fmt: skip
    return [small, header, struct.pack("<Q", len(tensor)) + tensor + b"\0\0\x80\x3f"]


def _annotations() -> list[bytes]:
    return [struct.pack("<H", index) + _TEXTS[name] for index, (name, _) in enumerate(READERS)]


def _configurations() -> list[bytes]:
    return [path.read_bytes() for path in sorted((_ROOT / "configs").glob("*.toml"))]


def _detections() -> list[bytes]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, 60, np.uint8).tobytes() for _ in range(12)]
