"""``mtcnn-fast detect``: find faces in files and print or draw them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console

from mtcnn_fast.backends import DEVICES
from mtcnn_fast.cli.exits import FAILED, clean_exit
from mtcnn_fast.cli.inputs import STDIN, Inputs
from mtcnn_fast.cli.output import Csv, Emit, JsonLines, JsonList, Output, Table, printable
from mtcnn_fast.cli.pictures import Pictures
from mtcnn_fast.cli.run import Run
from mtcnn_fast.config import DEFAULTS
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, WeightsError
from mtcnn_fast.progress import progress_bar

EXAMPLES = """[bold]Examples[/]

mtcnn-fast detect photo.jpg

mtcnn-fast detect photos -r --json > faces.json

mtcnn-fast detect 'photos/*.jpg' --draw --crops --out faces

curl -s https://example.com/photo.jpg | mtcnn-fast detect - --csv
"""

RESULTS = "Results"
PICTURES = "Pictures"
DETECTION = "Detection"


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
    device: Annotated[
        str, typer.Option(rich_help_panel=DETECTION, metavar="NAME", help=f"One of {', '.join(DEVICES)}.")
    ] = "auto",
    min_face_size: Annotated[
        float, typer.Option(rich_help_panel=DETECTION, metavar="PIXELS", help="Side of the smallest face to look for.")
    ] = DEFAULTS.min_face_size,
    max_face_size: Annotated[
        float | None,
        typer.Option(rich_help_panel=DETECTION, metavar="PIXELS", help="Side of the largest face to look for."),
    ] = DEFAULTS.max_face_size,
    thresholds: Annotated[
        tuple[float, float, float],
        typer.Option(rich_help_panel=DETECTION, metavar="P R O", help="Least score after each of the three networks."),
    ] = DEFAULTS.thresholds,
    factor: Annotated[
        float, typer.Option(rich_help_panel=DETECTION, metavar="RATIO", help="Step between the scales searched.")
    ] = DEFAULTS.factor,
    nms_thresholds: Annotated[
        tuple[float, float, float, float],
        typer.Option(
            rich_help_panel=DETECTION,
            metavar="S A R O",
            help="Overlap allowed within a scale, over all scales, after the second and the third network.",
        ),
    ] = DEFAULTS.nms_thresholds,
    border: Annotated[
        str,
        typer.Option(
            rich_help_panel=DETECTION, metavar="zero|clip", help="How faces cut by the image's edge are completed."
        ),
    ] = DEFAULTS.border,
    max_faces: Annotated[
        int | None, typer.Option(rich_help_panel=DETECTION, metavar="N", help="Keep the N best faces of an image.")
    ] = DEFAULTS.max_faces,
    max_pixels: Annotated[
        int, typer.Option(rich_help_panel=DETECTION, metavar="N", help="Refuse images with more pixels.")
    ] = DEFAULTS.max_pixels,
    num_threads: Annotated[
        int | None,
        typer.Option(rich_help_panel=DETECTION, metavar="N", help="Threads of the cpu device; all cores if not given."),
    ] = DEFAULTS.num_threads,
    weights: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=DETECTION, metavar="PATH", help="Networks of your own: a folder or a safetensors file."
        ),
    ] = None,
) -> None:
    """Find the faces in images, print them, and write pictures of them.

    An image that cannot be read is reported at the end and does not stop the others; the exit code is 1 then.
    """
    with clean_exit():
        inputs = Inputs(_checked_paths(paths), recursive)
        output = _output(inputs, {"--json": as_json, "--jsonl": as_jsonl, "--csv": as_csv})
        pictures = _pictures(inputs, out, draw=draw, crops=crops, align=align)
        detector = _detector(
            device=device,
            min_face_size=min_face_size,
            max_face_size=max_face_size,
            thresholds=thresholds,
            factor=factor,
            nms_thresholds=nms_thresholds,
            border=border,
            max_faces=max_faces,
            max_pixels=max_pixels,
            num_threads=num_threads,
            weights=weights,
        )
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


def _detector(**settings: Any) -> Detector:
    try:
        return Detector(**settings)
    except ConfigError as error:
        # The message begins with the setting's name, which is also the option's.
        setting = re.split(r"\W", str(error), maxsplit=1)[0]
        raise typer.BadParameter(str(error), param_hint=f"--{setting.replace('_', '-')}") from error
    except BackendUnavailableError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from error
    except WeightsError as error:
        raise typer.BadParameter(str(error), param_hint="--weights") from error


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
