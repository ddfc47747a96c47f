"""Printing results while a progress bar is shown."""

from __future__ import annotations

import sys

from mtcnn_fast.cli.output import Emit
from mtcnn_fast.cli.streams import print_bytes, print_line
from mtcnn_fast.progress import Progress


def printer(progress: Progress) -> Emit:
    """Print on standard output, above the bar if both show on a terminal."""
    if not sys.stdout.isatty():
        # Bytes of names come back as they were.
        return print_line

    def emit(text: str) -> None:
        with progress.hidden():
            print_bytes(f"{text}\n".encode(sys.stdout.encoding, sys.stdout.errors or "strict"))

    return emit
