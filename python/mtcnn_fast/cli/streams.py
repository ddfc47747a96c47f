"""Standard input, output and error, whatever state the caller left them in."""

from __future__ import annotations

import errno
import os
import sys

from mtcnn_fast.errors import MtcnnFastError

STDIN, STDOUT, STDERR = 0, 1, 2


class OutputError(MtcnnFastError, OSError):
    """Standard output cannot be written; the message says why."""


def prepare_streams() -> None:
    """Fill the places of closed streams, and let no character be one too many for an encoding.

    A file that is opened later would otherwise take the number of a closed stream, and receive what is printed.
    """
    if os.name == "posix":
        for number in (STDIN, STDOUT, STDERR):
            _fill(number)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _fill(number: int) -> None:
    try:
        os.fstat(number)
        return
    except OSError:
        pass
    # Opened the wrong way round: reading and writing fail with EBADF, as on a closed stream. Errors have nowhere to go.
    descriptor = os.open(os.devnull, os.O_RDONLY if number == STDOUT else os.O_WRONLY)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    name, mode = {STDIN: ("stdin", "r"), STDOUT: ("stdout", "w"), STDERR: ("stderr", "w")}[number]
    setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def print_bytes(content: bytes) -> None:
    """Write to standard output at once.

    Raises
    ------
    BrokenPipeError
        If nobody reads it.
    OutputError
        If it is closed, full or otherwise cannot be written.
    """
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from error


def print_line(text: str) -> None:
    """Write a line to standard output at once; errors as for `print_bytes`."""
    sys.stdout.flush()
    print_bytes(encode(f"{text}\n"))


def print_error(text: str) -> None:
    """Write a line to standard error. Where that cannot be written, the line is lost and nothing else."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(STDERR)


def encode(text: str) -> bytes:
    """Return text in the file system's encoding: names come back as they were, what it lacks becomes an escape."""
    encoding = sys.getfilesystemencoding()
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(_encode_character(character, encoding) for character in text)


def _encode_character(character: str, encoding: str) -> bytes:
    try:
        return character.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return character.encode(encoding, "backslashreplace")


def output_error(error: OSError) -> OutputError:
    """Word an error of standard output."""
    return OutputError(f"standard output cannot be written ({stream_problem(error)})")


def stream_problem(error: OSError) -> str:
    """Return what is wrong with a stream."""
    return "it is closed" if error.errno == errno.EBADF else error.strerror or str(error)


def discard(number: int) -> None:
    """Send what is still to be written to a stream nowhere; else the interpreter would complain when it ends."""
    stream = sys.stdout if number == STDOUT else sys.stderr
    try:
        if stream.fileno() != number:
            return
    except (OSError, ValueError):
        # A stream in memory, as tests and programs around the command use.
        return
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, number)
    os.close(descriptor)


def flush_output() -> None:
    """Write what standard output still holds; errors as for `print_bytes`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from error
