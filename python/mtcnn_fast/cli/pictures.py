"""Writing pictures of faces into a folder that mirrors the one they came from."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast.cli.inputs import STDIN
from mtcnn_fast.faces import Faces

#: Endings in which pictures are written; whatever has another becomes PNG.
WRITTEN = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

QUALITY = 95


@dataclasses.dataclass(frozen=True, slots=True)
class Pictures:
    """What is written for each image.

    Attributes
    ----------
    folder : Path
        Where to. It and the folders within are made as needed, and files of the same name are replaced.
    base : str
        Folder that the images' paths are taken relative to, so that namesakes from two folders stay apart.
    draw, crops, align : bool
        Whether to write the image with its faces drawn, a square around each face, each face upright.
    """

    folder: Path
    base: str
    draw: bool
    crops: bool
    align: bool

    def save(self, path: str, image: npt.NDArray[np.uint8], faces: Faces) -> None:
        """Write the pictures of one image.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        from PIL import Image

        if self.draw:
            self._write(path, "faces", faces.draw(image))
        for wanted, cut, label in ((self.crops, faces.crops, "face"), (self.align, faces.align, "aligned")):
            for i, crop in enumerate(cut(image) if wanted else ()):
                self._write(path, f"{label}{i + 1}", Image.fromarray(crop))

    def _write(self, path: str, label: str, picture: Any) -> None:
        target = self.target(path, label)
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target, quality=QUALITY)

    def target(self, path: str, label: str) -> Path:
        """Return the path of a picture: that of its image below `folder`, with the label in its name."""
        # Not `resolve`: a link is what its own name and place say, not what it points to.
        below = Path("stdin" if path == STDIN else os.path.relpath(os.path.abspath(path), self.base))  # noqa: PTH100
        if below.suffix.lower() in WRITTEN:
            return self.folder / below.with_name(f"{below.stem}_{label}{below.suffix}")
        return self.folder / below.with_name(f"{below.name}.{label}.png")
