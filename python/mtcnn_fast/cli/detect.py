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

from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import FAILED
from mtcnn_fast.cli.inputs import STDIN, Inputs
from mtcnn_fast.cli.output import Csv, Emit, JsonLines, JsonList, Output, Table, cell_len, printable
from mtcnn_fast.cli.pictures import Pictures, is_written_here
from mtcnn_fast.cli.settings import bad_option, choice, detector_options, make_detector
from mtcnn_fast.cli.streams import print_bytes, print_line
from mtcnn_fast.listing import Source
from mtcnn_fast.progress import Progress, is_shown, progress_bar

if TYPE_CHECKING:
    from mtcnn_fast.cli.run import Run

EXAMPLES = """
mtcnn-fast detect photo.jpg
mtcnn-fast detect photos -r --json > faces.json
mtcnn-fast detect 'photos/*.jpg' --draw --crops -o faces
mtcnn-fast detect photos --preset fast --clip --csv
curl -s https://example.com/photo.jpg | mtcnn-fast detect - --csv
"""

RESULTS = "Results"
PICTURES = "Pictures"


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@option("--recursive", "-r", is_flag=True, help="Search folders within folders too.")
@option("--json", "as_json", is_flag=True, section=RESULTS, help="Print one JSON list, an object for each image.")
@option("--jsonl", "as_jsonl", is_flag=True, section=RESULTS, help="Print a JSON object a line, as they come.")
@option("--csv", "as_csv", is_flag=True, section=RESULTS, help="Print CSV, a row for each face.")
@option("--clip", is_flag=True, section=RESULTS, help="Cut boxes to the image.")
@option("--draw", is_flag=True, section=PICTURES, help="Write each image with its faces drawn.")
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
    options=("same", "png"),
    default="same",
    section=PICTURES,
    help="File format: that of the image where it can be, or PNG. [default same]",
)
@detector_options()
def detect(
    paths: tuple[str, ...],
    recursive: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
    clip: bool,
    draw: bool,
    crops: bool,
    align: bool,
    out: Path | None,
    format: str,
    settings: dict[str, Any],
) -> int:
    """Find the faces in images, print them, and write pictures of them.

    PATH is an image file, a folder, a pattern in quotes, or - for the bytes of one image on standard input.

    An image that cannot be read is named at the end and does not stop the others; the exit code is 1 then.
    """
    found = Inputs(_checked_paths(paths), recursive, is_written_here)
    _check_forms({"--json": as_json, "--jsonl": as_jsonl, "--csv": as_csv})
    kinds = {"draw": draw, "crops": crops, "align": align}
    _check_pictures(out, any(kinds.values()))
    with make_detector(settings) as detector:
        from mtcnn_fast.cli.run import Run, report_skipped

        inputs: Iterable[Source] = found
        pictures = None
        if out is not None:
            # Listed before anything is written: what this run writes is not one of its inputs.
            inputs = list(found)
            real = frozenset(os.path.realpath(source.path) for source in inputs)
            pictures = Pictures(out, found.common_folder(), real, png=format == "png", **kinds)
            _check_no_input_is_replaced(inputs, pictures)
        output = _output(inputs, as_json, as_jsonl, as_csv)
        run = Run(detector, inputs, pictures, clip=clip)
        try:
            _print_all(run, inputs, output)
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


def _check_forms(asked: dict[str, bool]) -> None:
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other", click.get_current_context())


def _check_pictures(out: Path | None, wanted: bool) -> None:
    if wanted and out is None:
        raise bad_option("--draw, --crops and --align need a folder to write to", "--out")
    if out is not None and not wanted:
        raise bad_option("say what to write there: --draw, --crops or --align", "--out")
    if out is not None and out.exists() and not out.is_dir():
        raise bad_option(f"{str(out)!r} is not a folder", "--out")


def _check_no_input_is_replaced(inputs: Iterable[Source], pictures: Pictures) -> None:
    for source in inputs if pictures.draw else ():
        target = pictures.target(source.path, "faces")
        if pictures.overwrites(target):
            raise bad_option(
                f"the picture of {source.path!r} would replace the input {str(target)!r}: name another folder", "--out"
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


def _print_all(run: Run, inputs: Iterable[Source], output: Output) -> None:
    total = sum(1 for _ in inputs) if is_shown() else None
    with progress_bar(total) as progress:
        emit = _printer(progress)
        output.start(emit)
        with _finished(output, emit):
            for record in run.records():
                output.add(record, emit)
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


def _printer(progress: Progress) -> Emit:
    """Print on standard output, above the bar if both show on a terminal."""
    if not sys.stdout.isatty():
        # Bytes of names come back as they were.
        return print_line

    def emit(text: str) -> None:
        with progress.hidden():
            print_bytes(f"{text}\n".encode(sys.stdout.encoding, sys.stdout.errors or "strict"))

    return emit
