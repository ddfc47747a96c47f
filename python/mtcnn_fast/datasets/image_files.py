"""The files of annotated images, whose endings an annotation may leave out or write otherwise."""

from __future__ import annotations

from pathlib import Path

from mtcnn_fast._paths import is_file

#: Endings of image files that are looked for, the data sets' own first.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")


def image_file(folder: Path, name: str, suffix: str | None) -> Path:
    """Find the file of an image.

    Parameters
    ----------
    folder : Path
        The folder that names start from.
    name : str
        Path of the image without its ending.
    suffix : str or None
        The ending as the annotation has it, such as ``.jpg``; it may be written in capitals or small letters in the
        folder. None takes any of `SUFFIXES`.

    Returns
    -------
    Path
        The file; where there is none, the path at which it was expected first.
    """
    suffixes = SUFFIXES if suffix is None else (suffix,)
    for ending in suffixes:
        for spelled in dict.fromkeys((ending, ending.lower(), ending.upper())):
            path = folder / f"{name}{spelled}"
            if is_file(path):
                return path
    return folder / f"{name}{suffixes[0]}"
