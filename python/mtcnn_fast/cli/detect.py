"""``mtcnn-fast detect``: find faces in files and print or draw them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console

from mtcnn_fast.cli.exits import FAILED, clean_exit
from mtcnn_fast.cli.inputs import STDIN, Inputs
from mtcnn_fast.cli.output import Csv, Emit, JsonLines, JsonList, Output, Table, printable
from mtcnn_fast.cli.pictures import Pictures
from mtcnn_fast.cli.run import Run
from mtcnn_fast.cli.settings import make_detector, takes_settings
from mtcnn_fast.progress import progress_bar

EXAMPLES = """[bold]Examples[/]

mtcnn-fast detect photo.jpg

mtcnn-fast detect photos -r --json > faces.json

mtcnn-fast detect 'photos/*.jpg' --draw --crops --out faces

curl -s https://example.com/photo.jpg | mtcnn-fast detect - --csv
"""

RESULTS = "Results"
PICTURES = "Pictures"


@takes_settings
def detect(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Image files, folders, patterns in quotes, or - for the bytes of one image on standard input.",
            show_default=False,
        ),
    ],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search folders within folders too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=RESULTS, help="Print one JSON list, an object an image.")
    ] = False,
    as_jsonl: Annotated[
        bool,
        typer.Option("--jsonl", rich_help_panel=RESULTS, help="Print a JSON object a line, as they come."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", rich_help_panel=RESULTS, help="Print CSV, a row a face.")] = False,
    draw: Annotated[
        bool, typer.Option("--draw", rich_help_panel=PICTURES, help="Write each image with its faces drawn.")
    ] = False,
    crops: Annotated[
        bool,
        typer.Option("--crops", rich_help_panel=PICTURES, help="Write a square around each face, 160 wide."),
    ] = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align", rich_help_panel=PICTURES, help="Write each face upright as embedding networks want it, 112 wide."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            rich_help_panel=PICTURES,
            help="Where to write pictures, in the images' own folders; replaces files.",
            show_default=False,
        ),
    ] = None,
    *,
    settings: dict[str, Any],
) -> None:
    """Find the faces in images, print them, and write pictures of them.

    An image that cannot be read is reported at the end and does not stop the others; the exit code is 1 then.
    """
    with clean_exit():
        inputs = Inputs(_checked_paths(paths), recursive)
        output = _output(inputs, {"--json": as_json, "--jsonl": as_jsonl, "--csv": as_csv})
        pictures = _pictures(inputs, out, draw=draw, crops=crops, align=align)
        detector = make_detector(settings)
        with detector:
            run = Run(detector, inputs, pictures)
            try:
                _print_all(run, output)
            finally:
                run.report()
        if run.failures:
            raise typer.Exit(FAILED)


def _checked_paths(paths: Sequence[str]) -> Sequence[str]:
    if paths.count(STDIN) > 1:
        raise typer.BadParameter("- can be given once only: there is one standard input", param_hint="PATH")
    if STDIN in paths and sys.stdin.isatty():
        raise typer.BadParameter(
            "- reads an image from standard input, which is a terminal: redirect a file to it", param_hint="PATH"
        )
    return paths


def _output(inputs: Inputs, asked: dict[str, bool]) -> Output:
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        raise typer.BadParameter("they exclude each other", param_hint=" and ".join(names))
    forms: dict[str, Callable[[], Output]] = {"--json": JsonList, "--jsonl": JsonLines, "--csv": Csv}
    if names:
        return forms[names[0]]()
    longest = max((cell_len(printable(source.path)) for source in inputs), default=0)
    return Table(longest, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)


def _pictures(inputs: Inputs, out: Path | None, *, draw: bool, crops: bool, align: bool) -> Pictures | None:
    wanted = draw or crops or align
    if wanted and out is None:
        raise typer.BadParameter("--draw, --crops and --align need a folder to write to", param_hint="--out")
    if out is None:
        return None
    if not wanted:
        raise typer.BadParameter("say what to write there: --draw, --crops or --align", param_hint="--out")
    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{str(out)!r} is not a folder", param_hint="--out")
    return Pictures(out, inputs.common_folder(), draw=draw, crops=crops, align=align)


def _print_all(run: Run, output: Output) -> None:
    console = Console(stderr=True)
    total = sum(1 for _ in run.inputs) if console.is_terminal else None
    with progress_bar(total, console) as advance:
        emit = _printer(console)
        output.start(emit)
        try:
            for record in run.records():
                output.add(record, emit)
                advance()
        finally:
            # Whatever ends the run, a list that was begun is closed.
            output.finish(emit)


def _printer(console: Console) -> Emit:
    """Print on standard output, above the bar if both show on a terminal."""
    if console.is_terminal and sys.stdout.isatty():
        return lambda text: console.out(text, highlight=False)

    def emit(text: str) -> None:
        # The file system's encoding brings names back as they were, whatever bytes they consist of.
        sys.stdout.buffer.write(os.fsencode(f"{text}\n"))
        sys.stdout.buffer.flush()

    return emit
