"""Running ``mtcnn-fast detect`` in this process."""

from __future__ import annotations

import json
import re
from typing import Any

from typer.testing import CliRunner, Result

from mtcnn_fast.cli import app

QUICKLY = ["--device", "numpy", "--min-face-size", "40", "--factor", "0.6"]


def detect(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> Result:
    """Run the command in this process, and expect an exit code."""
    result = CliRunner().invoke(app, ["detect", *QUICKLY, *map(str, arguments)], input=stdin)
    assert result.exit_code == ending, result.output
    return result


def detect_json(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(detect("--json", *arguments, stdin=stdin, ending=ending).stdout)
    return records


def usage_error(*arguments: object) -> str:
    """Run the command, expect it to refuse its arguments, and return the message on one line."""
    result = CliRunner().invoke(app, ["detect", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())
