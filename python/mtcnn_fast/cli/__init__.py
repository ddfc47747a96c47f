"""The command ``mtcnn-fast``: one file a command, put together here."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from mtcnn_fast._version import __version__
from mtcnn_fast.cli import ablate, compare, detect, evaluate, explain, info, train

app = typer.Typer(
    name="mtcnn-fast",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Example: [bold]mtcnn-fast detect photo.jpg[/]",
)
app.command("detect", epilog=detect.EXAMPLES)(detect.detect)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(ablate.app, name="ablate")
app.command("compare", epilog=compare.EXAMPLES)(compare.compare_systems)
app.command("explain", epilog=explain.EXAMPLES)(explain.explain)
app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("info", epilog=info.EXAMPLES)(info.info)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mtcnn-fast {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find faces in images, and the eyes, nose and corners of the mouth of each."""


def main() -> None:
    """Run the command line."""
    logging.basicConfig(format="mtcnn-fast: %(message)s")
    app(prog_name="mtcnn-fast")
