"""The images that are timed: one public-domain photograph, and crowds made of its face.

``1`` is the astronaut resized, as the prototype's ``run.sh`` does. The others are grids of her head, each of another
brightness, every second one mirrored, that fill the image.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "astronaut.jpg"
HEAD = (140, 40, 310, 210)  # in the photograph: left, top, right, bottom
GRIDS = {6: (3, 2), 24: (6, 4), 54: (9, 6)}
SIZES = ((640, 480), (1280, 886), (1920, 1080))


@dataclasses.dataclass(frozen=True)
class Scene:
    faces: int
    width: int
    height: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}, {self.faces} face{'s' * (self.faces > 1)}"

    @property
    def key(self) -> str:
        return f"{self.faces}_{self.width}x{self.height}"

    def render(self) -> Image.Image:
        photo = Image.open(PHOTO).convert("RGB")
        if self.faces == 1:
            return photo.resize((self.width, self.height), Image.Resampling.BILINEAR)
        columns, rows = GRIDS[self.faces]
        canvas = Image.new("RGB", (self.width, self.height))
        for i in range(self.faces):
            left, right = (self.width * (i % columns + k) // columns for k in (0, 1))
            top, bottom = (self.height * (i // columns + k) // rows for k in (0, 1))
            head = photo.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=HEAD)
            head = ImageEnhance.Brightness(head).enhance(0.7 + 0.6 * i / (self.faces - 1))
            canvas.paste(ImageOps.mirror(head) if i % 2 else head, (left, top))
        return canvas

    def files(self, folder: Path) -> dict[str, str]:
        """Write the pixels as .npy and as JPEG of quality 90, once; return both paths."""
        paths = {kind: folder / f"{self.key}.{kind}" for kind in ("npy", "jpg")}
        if not all(path.exists() for path in paths.values()):
            image = self.render()
            np.save(paths["npy"], np.asarray(image))
            image.save(paths["jpg"], quality=90)
        return {kind: str(path) for kind, path in paths.items()}
