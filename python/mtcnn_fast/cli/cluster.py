"""``mtcnn-fast cluster``: the people in a folder of images."""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn_fast._paths import exists, is_folder
from mtcnn_fast.checks import Count, Number
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import FAILED
from mtcnn_fast.cli.inputs import Inputs
from mtcnn_fast.cli.output import printable
from mtcnn_fast.cli.pictures import encoded, is_written_here
from mtcnn_fast.cli.settings import bad_option, checked, choice, detector_options, make_detector
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.errors import ConfigError, MtcnnFastError
from mtcnn_fast.files import written_whole
from mtcnn_fast.listing import Source
from mtcnn_fast.progress import is_shown, track

if TYPE_CHECKING:
    from mtcnn_fast._types import Image
    from mtcnn_fast.faces import Faces
    from mtcnn_fast.recognition import FaceIndex, Sighting

EXAMPLES = """
mtcnn-fast cluster photos -r --model model.onnx --threshold 0.4
mtcnn-fast cluster photos --model model.onnx --threshold 0.4 --min-face-size 60 -o people
mtcnn-fast cluster photos --model model.onnx --mean 0 --std 1 --threshold 0.4 --json > people.json
"""

MODEL = "Embedding model"


@click.command("cluster", cls=Command, examples=EXAMPLES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@option("--recursive", "-r", is_flag=True, help="Search folders within folders too.")
@option("--json", "as_json", is_flag=True, help="Print one JSON list, an object for each person.")
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder for the aligned faces, a folder for each person.",
)
@option(
    "--threshold",
    type=float,
    required=True,
    metavar="COSINE",
    callback=checked(Number(-1, 1)),
    help="Least mean similarity of groups that are joined, from -1 to 1. It depends on the model.",
)
@option(
    "--min-size",
    type=int,
    default=1,
    metavar="N",
    callback=checked(Count()),
    help="Leave out people with fewer faces. [default 1]",
)
@option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    section=MODEL,
    help="ONNX model that turns an aligned face into an embedding.",
)
@option(
    "--size",
    type=int,
    metavar="PIXELS",
    callback=checked(Count()),
    section=MODEL,
    help="Side of the faces. [default the model's, or 112]",
)
@option("--mean", type=float, default=127.5, metavar="X", section=MODEL, help="Subtracted from pixels. [default 127.5]")
@option("--std", type=float, default=127.5, metavar="X", section=MODEL, help="Divides pixels. [default 127.5]")
@choice("--color", options=("rgb", "bgr"), default="rgb", section=MODEL, help="Order of channels. [default rgb]")
@detector_options()
def cluster_people(
    paths: tuple[str, ...],
    recursive: bool,
    as_json: bool,
    out: Path | None,
    threshold: float,
    min_size: int,
    model: Path,
    size: int | None,
    mean: float,
    std: float,
    color: str,
    settings: dict[str, Any],
) -> int:
    """Group the faces in images by person, with an embedding model of yours.

    The package brings no such model, and the right threshold depends on it: docs/recognition.md says how to choose
    it, and what to know of bias and consent first.

    It needs onnxruntime and scipy: pip install 'mtcnn-fast[recognition]'

    An image that cannot be read is named at the end and does not stop the others; the exit code is 1 then.
    """
    _check_folder(out)
    from mtcnn_fast.optional import require
    from mtcnn_fast.recognition import Embedder, FaceIndex
    from mtcnn_fast.recognition.embeddings import HOW_TO_GET

    require("scipy.cluster.hierarchy", "clustering faces", HOW_TO_GET)
    try:
        embedder = Embedder(model, size=size, mean=mean, std=std, color=color, num_threads=settings.get("num_threads"))
    except ConfigError as error:
        name = str(error).partition(" ")[0]
        raise bad_option(str(error), f"--{name}") from error
    found = Inputs(paths, recursive, is_written_here)
    inputs: Sequence[Source] = list(found)
    with make_detector(settings) as detector:
        from mtcnn_fast.cli.run import Run, report_skipped

        sink = _Sink(FaceIndex(embedder), out)
        run = Run(detector, inputs, sink)
        try:
            deque(track(run.records(), len(inputs) if is_shown() else None), maxlen=0)
            people = sink.index.people(threshold, min_size=min_size)
            _print(people, as_json)
            if out is not None:
                _write(out, people, sink)
        finally:
            run.report()
            report_skipped(found.skipped)
    return FAILED if run.failures else 0


@dataclasses.dataclass(slots=True)
class _Sink:
    """Embeds the faces of each image, and keeps their pictures as files in memory where they will be written."""

    index: FaceIndex
    folder: Path | None
    pictures: dict[tuple[str, int], bytes] = dataclasses.field(default_factory=dict)

    def save(self, path: str, image: Image, faces: Faces, whole: Faces) -> list[str]:
        """Embed the faces of an image; return what went wrong."""
        import PIL.Image

        try:
            self.index.add(path, image, faces)
        except MtcnnFastError as error:
            return [str(error)]
        if self.folder is not None:
            for i, crop in enumerate(faces.align(image)):
                self.pictures[path, i] = encoded(PIL.Image.fromarray(crop), "JPEG")
        return []


def _check_folder(out: Path | None) -> None:
    if out is None or not exists(out):
        return
    if not is_folder(out):
        raise bad_option(f"{str(out)!r} is not a folder", "--out")
    if any(out.iterdir()):
        raise bad_option(f"{str(out)!r} must be new or empty: people of an earlier run would mix with these", "--out")


def _print(people: Sequence[Sequence[Sighting]], as_json: bool) -> None:
    if as_json:
        rows = [{"person": n, "faces": [_record(sighting) for sighting in seen]} for n, seen in enumerate(people, 1)]
        print_line("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
        return
    for number, seen in enumerate(people, 1):
        print_line(f"person {number}: {len(seen)} face{'' if len(seen) == 1 else 's'}")
        for sighting in seen:
            print_line(f"  {printable(sighting.image)} face {sighting.index + 1}, score {sighting.face.score:.4f}")


def _record(sighting: Sighting) -> dict[str, Any]:
    return {
        "path": sighting.image,
        "face": sighting.index + 1,
        "score": sighting.face.score,
        "box": sighting.face.box.tolist(),
    }


def _write(out: Path, people: Sequence[Sequence[Sighting]], sink: _Sink) -> None:
    digits = len(str(len(people)))
    for number, seen in enumerate(people, 1):
        folder = out / f"person_{number:0{digits}}"
        folder.mkdir(parents=True, exist_ok=True)
        for i, sighting in enumerate(seen, 1):
            stem = "stdin" if sighting.image == "-" else Path(sighting.image).stem
            # Numbered, as images of two folders may share a name.
            target = folder / f"{i:04}_{stem[:100]}_face{sighting.index + 1}.jpg"
            written_whole(target, sink.pictures[sighting.image, sighting.index], sync=False)
