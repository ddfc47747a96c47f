"""How a command ends when it is interrupted, when nobody reads its output, and when the package cannot go on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import typer

from mtcnn_fast.errors import MtcnnFastError

FAILED = 1
INTERRUPTED = 130
"""What a shell reports for a program ended by SIGINT: 128 and the signal's number."""
BROKEN_PIPE = 141
"""The same for SIGPIPE."""


@contextlib.contextmanager
def clean_exit() -> Iterator[None]:
    """Turn Ctrl-C, a closed pipe and the package's own errors into an exit code, without a traceback.

    Raises
    ------
    typer.Exit
        With code 130 after Ctrl-C, 141 after writing to a pipe that is no longer read, 1 after another error.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        typer.echo("mtcnn-fast: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
    except MtcnnFastError as error:
        typer.echo(f"mtcnn-fast: {error}", err=True)
        raise typer.Exit(FAILED) from None
