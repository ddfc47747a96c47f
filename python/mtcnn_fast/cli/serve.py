"""``mtcnn-fast serve``: the detector as a service over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from mtcnn_fast.checks import Count, settings_of
from mtcnn_fast.cli.commands import Command, Decorator, F, option
from mtcnn_fast.cli.settings import OPTIONS, bad_option, checked, declared, detector_options, make_detector
from mtcnn_fast.cli.streams import print_error
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.serving.options import TOKEN_VARIABLE, ServiceOptions

EXAMPLES = """
mtcnn-fast serve
mtcnn-fast serve --port 8080 --preset fast --max-faces 10
curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8000/v1/detect
"""

LIMITS = "Limits"

#: Settings of the detector that the service decides.
_DECIDED = ("num_threads", "max_pixels")


def limit_options(command: F) -> F:
    """Give a command the options of `ServiceOptions`; it receives each under its own name."""
    decorated: Any = command
    for name, setting in reversed(settings_of(ServiceOptions).items()):
        decorated = declared(name, setting, getattr(ServiceOptions(), name), LIMITS)(decorated)
    return decorated  # type: ignore[no-any-return]


def _listen_options() -> list[Decorator]:
    return [
        option("--host", metavar="NAME", default="127.0.0.1", help="Where to listen. [default 127.0.0.1]"),
        option(
            "--port",
            type=int,
            callback=checked(Count(0, 65535)),
            metavar="N",
            default=8000,
            help="Where to listen; 0 takes a free one. [a whole number from 0 to 65535; default 8000]",
        ),
        option(
            "--workers",
            type=int,
            callback=checked(Count(1, 256)),
            metavar="N",
            default=1,
            help="Processes, which share the processors. [a whole number from 1 to 256; default 1]",
        ),
        option(
            "--token-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"File with the token that requests must carry; if not given, ${TOKEN_VARIABLE}.",
        ),
    ]


def listen_options(command: F) -> F:
    """Give a command the options of where it listens."""
    decorated: Any = command
    for each in reversed(_listen_options()):
        decorated = each(decorated)
    return decorated  # type: ignore[no-any-return]


@click.command(cls=Command, examples=EXAMPLES)
@listen_options
@limit_options
@detector_options(*(name for name in OPTIONS if name not in _DECIDED))
def serve(host: str, port: int, workers: int, token_file: Path | None, settings: dict[str, Any], **limits: Any) -> None:
    """Answer requests over HTTP, and show a page to try it.

    Only programs on this machine reach it, unless --host says otherwise. No picture is kept or logged.
    """
    from mtcnn_fast.serving.server import Binding
    from mtcnn_fast.serving.server import serve as run

    try:
        options = ServiceOptions(**limits, token=_token(token_file))
    except ConfigError as error:
        raise bad_option(str(error), "--token-file" if token_file else TOKEN_VARIABLE) from error
    # What is not accepted is told here, by the name of the option, and not by each process.
    make_detector(settings).close()
    try:
        run(settings, options, Binding(host, port, workers), lambda text: print_error(f"mtcnn-fast: {text}"))
    except ConfigError as error:
        raise bad_option(str(error), "--port") from error


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise bad_option(f"{str(file)!r} cannot be read ({error})", "--token-file") from error
