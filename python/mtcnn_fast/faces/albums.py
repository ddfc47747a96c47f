"""Files with the faces of many images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mtcnn_fast._paths import is_file
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.faces import formats
from mtcnn_fast.faces.faces import Faces

#: Endings tried for an image whose label names none, as in folders of YOLO labels.
IMAGE_ENDINGS = ("", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def save_faces(path: str | os.PathLike[str], faces: Mapping[str, Faces], *, form: str | None = None) -> None:
    """Write the faces of several images to a file, which is there whole or not at all.

    Parameters
    ----------
    path : path-like or str
        Its ending chooses the form: ``.json``, ``.parquet`` (needs pyarrow), ``.txt`` (WIDER FACE with landmarks, as
        RetinaFace's labels have them); a path without ending is a folder of YOLO pose labels.
    faces : mapping of str to Faces
        By the name of the image.
    form : {"json", "parquet", "coco", "widerface", "yolo"}, optional
        Instead of the ending's.

    Raises
    ------
    ConfigError
        If the form is not known.
    OSError
        If the file cannot be written.
    """
    records = [(image, found.to_dict()) for image, found in faces.items()]
    formats.write_records(Path(path), records, formats.chosen_form(path, form))


def load_faces(
    path: str | os.PathLike[str], *, form: str | None = None, images: str | os.PathLike[str] | None = None
) -> dict[str, Faces]:
    """Read what `save_faces` wrote, or labels of the same forms from elsewhere.

    Parameters
    ----------
    path : path-like or str
    form : str, optional
        As for `save_faces`.
    images : path-like or str, optional
        Folder of the images, needed for the forms ``widerface`` and ``yolo``, which do not hold the images' sizes.

    Returns
    -------
    dict of str to Faces
        By the name of the image. A face without a score has the score 1. Images that the command could not read, whose
        records have an error and no size, are left out.

    Raises
    ------
    ConfigError
        If the form is not known.
    DataError
        If the file is missing or not of the form, or an image whose size is needed is not found.
    """

    def size_of(image: str) -> tuple[int, int]:
        from PIL import Image

        if images is None:
            raise DataError("holds no image sizes; images= names the folder of the images", path)
        for ending in IMAGE_ENDINGS:
            file = Path(images) / (image + ending)
            if is_file(file):
                with Image.open(file) as picture:
                    return picture.size
        message = f"names the image {image!r}, which is not in {os.fspath(images)!r}"
        raise file_error(DataError, missing_file(Path(images) / image), message, path)

    records = formats.read_records(Path(path), formats.chosen_form(path, form), size_of)
    return {image: Faces.from_dict(record) for image, record in records}
