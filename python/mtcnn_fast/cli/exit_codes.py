"""The exit code of a command, and the one line that it prints when it fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import click

from mtcnn_fast.cli.streams import STDOUT, OutputError, discard, flush_output, output_error, print_error
from mtcnn_fast.errors import MtcnnFastError

FAILED = 1
INTERRUPTED = 130
"""What a shell reports for a program ended by SIGINT: 128 and the signal's number."""
BROKEN_PIPE = 141
"""The same for SIGPIPE."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work that can be continued; its text says how."""


@contextlib.contextmanager
def resumable(advice: str) -> Iterator[None]:
    """Add advice to an interrupt.

    Raises
    ------
    Interrupted
        After Ctrl-C in the block.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(advice) from None


def exit_code(command: Callable[[], object]) -> int:
    """Run a command.

    Parameters
    ----------
    command : callable
        Returns the exit code, or None for success.

    Returns
    -------
    int
        130 after Ctrl-C, 141 after writing to a pipe that is no longer read, 2 for wrong arguments, 1 for another
        failure. Each but the second prints one line on standard error.
    """
    try:
        result = command()
        flush_output()
    except click.exceptions.Exit as error:
        code = error.exit_code
        return exit_code(lambda: code)
    except click.ClickException as error:
        _show_usage_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        advice = f": {error}" if isinstance(error, Interrupted) else ""
        print_error(f"mtcnn-fast: interrupted{advice}")
        return INTERRUPTED
    except BrokenPipeError:
        discard(STDOUT)
        return BROKEN_PIPE
    except MtcnnFastError as error:
        if isinstance(error, OutputError):
            discard(STDOUT)
        print_error(f"mtcnn-fast: {error}")
        return FAILED
    except OSError as error:
        # Help and version are printed by click, whose errors name no file.
        if error.filename is None:
            discard(STDOUT)
            print_error(f"mtcnn-fast: {output_error(error)}")
        else:
            print_error(f"mtcnn-fast: {os.fspath(error.filename)!r}: {error.strerror or error}")
        return FAILED
    return result if isinstance(result, int) else 0


def _show_usage_error(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    if context is not None and not error.message.startswith("Usage: "):
        print_error(context.get_usage())
        print_error(f"Try '{context.command_path} --help' for help.")
        print_error("")
        print_error(f"Error: {error.format_message()}")
    else:
        # Without arguments a group shows its help.
        print_error(error.format_message())
