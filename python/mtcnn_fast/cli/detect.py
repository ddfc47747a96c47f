"""``mtcnn-fast detect``: find faces in files and print or draw them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn_fast._paths import exists, is_folder
from mtcnn_fast.checks import Number
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import FAILED
from mtcnn_fast.cli.inputs import STDIN, Inputs
from mtcnn_fast.cli.output import Csv, Emit, JsonLines, JsonList, Output, Table, cell_len, printable
from mtcnn_fast.cli.pictures import LABELS, WHOLE, Pictures, is_written_here
from mtcnn_fast.cli.printing import printer
from mtcnn_fast.cli.settings import (
    bad_option,
    check_exclusive,
    checked,
    choice,
    detector_options,
    make_detector,
    naming_options,
)
from mtcnn_fast.cli.views import view_options
from mtcnn_fast.listing import Source
from mtcnn_fast.optional import require
from mtcnn_fast.progress import is_shown, progress_bar
from mtcnn_fast.views.settings import Views

if TYPE_CHECKING:
    from mtcnn_fast.cli.run import Run
    from mtcnn_fast.faces.parquet import ParquetRows

EXAMPLES = """
mtcnn-fast detect photo.jpg
mtcnn-fast detect photos -r --json > faces.json
mtcnn-fast detect 'photos/*.jpg' --draw --crops -o faces
mtcnn-fast detect photos -r --blur --strength 0.3 -o blurred
mtcnn-fast detect photos --preset fast --clip --parquet faces.parquet
curl -s https://example.com/photo.jpg | mtcnn-fast detect - --csv
"""

RESULTS = "Results"
PICTURES = "Pictures"

#: Names of styles; those of `mtcnn_fast.faces.styles`, which needs numpy and the help does not.
STYLES = ("default", "corners", "ellipse", "palette", "spotlight")


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@option("--recursive", "-r", is_flag=True, help="Search folders within folders too.")
@option("--json", "as_json", is_flag=True, section=RESULTS, help="Print one JSON list, an object for each image.")
@option("--jsonl", "as_jsonl", is_flag=True, section=RESULTS, help="Print a JSON object a line, as they come.")
@option("--csv", "as_csv", is_flag=True, section=RESULTS, help="Print CSV, a row for each face.")
@option(
    "--parquet",
    type=click.Path(path_type=Path),
    metavar="FILE",
    section=RESULTS,
    help="Also write a Parquet file, a row for each image; needs pyarrow.",
)
@option("--clip", is_flag=True, section=RESULTS, help="Cut boxes to the image; --border clip is another thing.")
@option("--draw", is_flag=True, section=PICTURES, help="Write each image with its faces drawn.")
@choice("--style", options=STYLES, metavar="NAME", section=PICTURES, help=f"How --draw draws: {', '.join(STYLES)}.")
@option("--blur", is_flag=True, section=PICTURES, help="Write each image with its faces blurred.")
@option("--pixelate", is_flag=True, section=PICTURES, help="Write each image with its faces in coarse squares.")
@option(
    "--mask", is_flag=True, section=PICTURES, help="Write each image with its faces black: nothing is left of them."
)
@option(
    "--strength",
    type=float,
    metavar="SHARE",
    callback=checked(Number(0.05, 1)),
    section=PICTURES,
    help="Blur, or size of a square, as a share of the face, from 0.05 to 1. [default 0.15 and 1/6]",
)
@option("--crops", is_flag=True, section=PICTURES, help="Write a square around each face, 160 wide.")
@option(
    "--align",
    is_flag=True,
    section=PICTURES,
    help="Write each face upright as embedding networks want it, 112 wide.",
)
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    section=PICTURES,
    help="Where to write pictures, in the images' own folders; replaces files, but never an input.",
)
@choice(
    "--format",
    options=("same", "png", "jpg", "webp"),
    default="same",
    section=PICTURES,
    help="File format; same is that of the image where it can be, else PNG. [default same]",
)
@view_options
@detector_options()
def detect(
    paths: tuple[str, ...],
    recursive: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
    parquet: Path | None,
    clip: bool,
    draw: bool,
    style: str | None,
    blur: bool,
    pixelate: bool,
    mask: bool,
    strength: float | None,
    crops: bool,
    align: bool,
    out: Path | None,
    format: str,
    settings: dict[str, Any],
    views: dict[str, Any],
) -> int:
    """Find the faces in images, print them, and write pictures of them.

    PATH is an image file, a folder, a pattern in quotes, or - for the bytes of one image on standard input.

    An image that cannot be read is named at the end and does not stop the others; the exit code is 1 then.
    """
    found = Inputs(_checked_paths(paths), recursive, is_written_here)
    check_exclusive({"--json": as_json, "--jsonl": as_jsonl, "--csv": as_csv})
    asked = {"draw": draw, "blur": blur, "pixelate": pixelate, "mask": mask, "crops": crops, "align": align}
    kinds = tuple(name for name, wanted in asked.items() if wanted)
    _check_pictures(out, kinds, style, strength, format)
    _check_parquet(parquet)
    with make_detector(settings) as detector:
        with naming_options():
            Views(**views).check_with(detector.config, trace=False)
        from mtcnn_fast.cli.run import Run, report_skipped

        inputs: Iterable[Source] = found
        pictures = None
        if out is not None or parquet is not None:
            # Listed before anything is written: what this run writes is not one of its inputs.
            inputs = list(found)
        real = frozenset(os.path.realpath(source.path) for source in inputs) if out or parquet else frozenset()
        if parquet is not None and os.path.realpath(parquet) in real:
            raise bad_option(f"{str(parquet)!r} is an input: name another file", "--parquet")
        if out is not None:
            form = None if format == "same" else format
            pictures = Pictures(out, found.common_folder(), real, kinds, style or "default", strength, form)
            _check_no_input_is_replaced(inputs, pictures)
        output = _output(inputs, as_json, as_jsonl, as_csv)
        run = Run(detector, inputs, pictures, clip=clip, views=views)
        try:
            with _parquet_rows(parquet) as rows:
                _print_all(run, inputs, output, rows)
        finally:
            run.report()
            report_skipped(found.skipped)
    return FAILED if run.failures else 0


def _checked_paths(paths: Sequence[str]) -> Sequence[str]:
    if paths.count(STDIN) > 1:
        raise bad_option("- can be given once only: there is one standard input", "PATH")
    if STDIN in paths and sys.stdin.isatty():
        raise bad_option("- reads an image from standard input, which is a terminal: redirect a file to it", "PATH")
    return paths


def _check_pictures(
    out: Path | None, kinds: Sequence[str], style: str | None, strength: float | None, format: str
) -> None:
    flags = [f"--{kind}" for kind in LABELS]
    every = f"{', '.join(flags[:-1])} {{}} {flags[-1]}"
    if style is not None and "draw" not in kinds:
        raise bad_option("says how faces are drawn: add --draw", "--style")
    if strength is not None and not {"blur", "pixelate"} & {*kinds}:
        raise bad_option("says how far faces are hidden: add --blur or --pixelate", "--strength")
    if format != "same" and not kinds:
        raise bad_option(f"says how pictures are written: add {every.format('or')}", "--format")
    if kinds and out is None:
        raise bad_option(f"{every.format('and')} need a folder to write to", "--out")
    if out is not None and not kinds:
        raise bad_option(f"say what to write there: {every.format('or')}", "--out")
    if out is not None and exists(out) and not is_folder(out):
        raise bad_option(f"{str(out)!r} is not a folder", "--out")


def _check_parquet(path: Path | None) -> None:
    """Refuse a file that cannot be written before anything is detected."""
    if path is None:
        return
    if is_folder(path):
        raise bad_option(f"{str(path)!r} is a folder, not a file", "--parquet")
    if not is_folder(path.parent):
        raise bad_option(f"there is no folder {str(path.parent)!r}", "--parquet")
    require("pyarrow.parquet", "--parquet", "pip install pyarrow")


@contextlib.contextmanager
def _parquet_rows(path: Path | None) -> Iterator[ParquetRows | None]:
    if path is None:
        yield None
        return
    from mtcnn_fast.faces.parquet import parquet_writer

    with parquet_writer(path, errors=True, purpose="--parquet") as rows:
        yield rows


def _check_no_input_is_replaced(inputs: Iterable[Source], pictures: Pictures) -> None:
    labels = [LABELS[kind] for kind in pictures.kinds if kind in WHOLE]
    for source in inputs:
        for target in (pictures.target(source.path, label) for label in labels):
            if pictures.overwrites(target):
                raise bad_option(
                    f"the picture of {source.path!r} would replace the input {str(target)!r}: name another folder",
                    "--out",
                )


def _output(inputs: Iterable[Source], as_json: bool, as_jsonl: bool, as_csv: bool) -> Output:
    forms: tuple[tuple[bool, Callable[[], Output]], ...] = ((as_json, JsonList), (as_jsonl, JsonLines), (as_csv, Csv))
    for wanted, form in forms:
        if wanted:
            return form()
    longest = max((cell_len(printable(source.path)) for source in inputs), default=0)
    return Table(longest, shutil.get_terminal_size().columns if sys.stdout.isatty() else None, _ellipsis())


def _ellipsis() -> str:
    try:
        "…".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "..."
    return "…"


def _print_all(run: Run, inputs: Iterable[Source], output: Output, parquet: ParquetRows | None) -> None:
    total = sum(1 for _ in inputs) if is_shown() else None
    with progress_bar(total) as progress:
        emit = printer(progress)
        output.start(emit)
        with _finished(output, emit):
            for record in run.records():
                output.add(record, emit)
                if parquet is not None:
                    parquet.add(record.path, record.to_dict(), record.error)
                progress.advance()


@contextlib.contextmanager
def _finished(output: Output, emit: Emit) -> Iterator[None]:
    """Close a list that was begun, whatever ends the run; where it cannot be printed, that error is not the news."""
    try:
        yield
    except OSError:
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            output.finish(emit)
        raise
    output.finish(emit)
