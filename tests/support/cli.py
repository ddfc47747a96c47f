"""Running ``mtcnn-fast`` in this process."""

from __future__ import annotations

import inspect
import json
from typing import Any

from click.testing import CliRunner, Result

from mtcnn_fast.cli import app

QUICKLY = ["--device", "numpy", "--min-face-size", "40", "--factor", "0.6"]

#: Before click 8.2 standard error was kept apart only where that was asked for.
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> Result:
    """Run the command in this process, and expect an exit code."""
    result = CliRunner(**_APART).invoke(
        app, [str(argument) for argument in arguments], input=stdin, prog_name="mtcnn-fast"
    )
    assert result.exit_code == ending, f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    return result


def detect(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> Result:
    return run("detect", *QUICKLY, *arguments, stdin=stdin, ending=ending)


def detect_json(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(detect("--json", *arguments, stdin=stdin, ending=ending).stdout)
    return records


def problem(*arguments: object, ending: int = 1) -> str:
    """Return what the command prints when it fails, on one line."""
    return " ".join(run(*arguments, ending=ending).stderr.split())


def usage_error(*arguments: object) -> str:
    """Run ``detect``, expect it to refuse its arguments, and return the message on one line."""
    result = run("detect", *arguments, ending=2)
    assert result.stdout == ""
    return " ".join(result.stderr.split())
