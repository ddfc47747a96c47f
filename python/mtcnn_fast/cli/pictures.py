"""Writing pictures of faces into a folder that mirrors the one they came from."""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtcnn_fast.cli.inputs import STDIN
from mtcnn_fast.files import written_whole

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from mtcnn_fast._types import Image
    from mtcnn_fast.faces import Faces

#: Kinds of pictures by the option that asks for them, and the label in the names of their files. `WHOLE` are one an
#: image, the others one a face.
LABELS = {
    "draw": "faces",
    "blur": "blurred",
    "pixelate": "pixelated",
    "mask": "masked",
    "crops": "face",
    "align": "aligned",
}
WHOLE = ("draw", "blur", "pixelate", "mask")

#: Endings in which pictures are written, and Pillow's names of the formats; whatever has another becomes PNG.
FORMATS = {
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}

QUALITY = 95

#: The tag of EXIF that names the program which wrote a picture, and its content in those written here.
_SOFTWARE = 0x0131
_WRITER = "mtcnn-fast"

#: BMP has no such tag, but four bytes that are the writing program's own (BITMAPFILEHEADER, bfReserved1 and 2).
_BMP_RESERVED = slice(6, 10)
_BMP_WRITER = b"mtcn"

_WRITTEN_NAME = re.compile(r"[_.](faces|blurred|pixelated|masked|face\d+|aligned\d+)\.\w+$")


@dataclasses.dataclass(frozen=True, slots=True)
class Pictures:
    """What is written for each image.

    Attributes
    ----------
    folder : Path
        Output folder. It and the folders within are made as needed, and files of the same name are replaced.
    base : str
        Folder that the images' paths are taken relative to, so that namesakes from two folders stay apart.
    inputs : frozenset of str
        Real paths of the files that are read, which are never overwritten.
    kinds : tuple of str
        What to write, of `LABELS`.
    style : str
        Of what is drawn.
    strength : float or None
        Of blurring, and of pixelating as the size of a square; both as shares of the face.
    form : str or None
        Ending that all are written with, without the dot; None keeps that of the image where it can be.
    """

    folder: Path
    base: str
    inputs: frozenset[str]
    kinds: tuple[str, ...]
    style: str = "default"
    strength: float | None = None
    form: str | None = None

    def save(self, path: str, image: Image, faces: Faces, whole: Faces) -> list[str]:
        """Write the pictures of one image.

        Parameters
        ----------
        path : str
        image : (H, W, 3) uint8
        faces : Faces
            What is drawn and cut out.
        whole : Faces
            The same faces, their boxes not cut to the image: what is covered.

        Returns
        -------
        list of str
            What went wrong, a text for each picture that was not written.
        """
        problems = []
        for label, make in self._wanted(image, faces, whole):
            target = self.target(path, label)
            try:
                self._write(target, make)
            # An encoder raises what it likes; the other pictures are written all the same.
            except Exception as error:
                problems.append(f"the picture {str(target)!r} could not be written: {_reason(error)}")
        return problems

    def _wanted(self, image: Image, faces: Faces, whole: Faces) -> Iterator[tuple[str, Any]]:
        import PIL.Image

        cells = () if self.strength is None else (round(1 / self.strength),)
        strength = () if self.strength is None else (self.strength,)
        pictures = {
            "draw": lambda: faces.draw(image, style=self.style),
            "blur": lambda: whole.blur(image, *strength),
            "pixelate": lambda: whole.pixelate(image, *cells),
            "mask": lambda: whole.mask(image),
        }
        for kind in (kind for kind in self.kinds if kind in WHOLE):
            yield LABELS[kind], pictures[kind]
        cuts = {"crops": faces.crops, "align": faces.align}
        for kind in (kind for kind in self.kinds if kind in cuts):
            for i, crop in enumerate(cuts[kind](image)):
                yield f"{LABELS[kind]}{i + 1}", lambda crop=crop: PIL.Image.fromarray(crop)

    def _write(self, target: Path, make: Any) -> None:
        if self.overwrites(target):
            raise FileExistsError("an input has this name")
        target.parent.mkdir(parents=True, exist_ok=True)
        written_whole(target, encoded(make(), FORMATS[target.suffix.lower()]), sync=False)

    def overwrites(self, target: Path) -> bool:
        """Tell whether a picture would take the place of an input."""
        return os.path.realpath(target) in self.inputs

    def target(self, path: str, label: str) -> Path:
        """Return the path of a picture: that of its image below `folder`, with the label in its name."""
        if path == STDIN:
            return self.folder / f"stdin_{label}.{self.form or 'png'}"
        # Not `resolve`: a link is what its own name and place say, not what it points to.
        below = Path(os.path.relpath(os.path.abspath(path), self.base))  # noqa: PTH100
        form = FORMATS.get(below.suffix.lower())
        if form is not None and (self.form is None or form == FORMATS[f".{self.form}"]):
            return self.folder / below.with_name(f"{below.stem}_{label}{below.suffix}")
        return self.folder / below.with_name(f"{below.name}.{label}.{self.form or 'png'}")


def encoded(picture: PILImage, form: str) -> bytes:
    """Return a picture as a file of a format of `FORMATS`, which names this command as its writer."""
    import PIL.Image

    exif = PIL.Image.Exif()
    exif[_SOFTWARE] = _WRITER
    content = io.BytesIO()
    if form == "BMP":
        picture.save(content, form)
        data = content.getvalue()
        return data[: _BMP_RESERVED.start] + _BMP_WRITER + data[_BMP_RESERVED.stop :]
    picture.save(content, form, quality=QUALITY, exif=exif)
    return content.getvalue()


def is_written_here(path: str) -> bool:
    """Tell whether a file is a picture that this command wrote: by its name, and by the writer it names."""
    if _WRITTEN_NAME.search(path) is None:
        return False
    import PIL.Image

    try:
        if path.lower().endswith(".bmp"):
            with Path(path).open("rb") as file:
                return file.read(_BMP_RESERVED.stop)[_BMP_RESERVED] == _BMP_WRITER
        with PIL.Image.open(path) as picture:
            return picture.getexif().get(_SOFTWARE) == _WRITER
    # Whatever is wrong with the file, reading it as an image will tell.
    except Exception:
        return False


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
