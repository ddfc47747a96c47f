"""``mtcnn-fast doctor``: what is wrong with an environment, in words."""

from __future__ import annotations

import dataclasses
import json

import click

from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import FAILED
from mtcnn_fast.cli.streams import print_line

EXAMPLES = """
mtcnn-fast doctor
mtcnn-fast doctor --json
"""

_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


@click.command(cls=Command, examples=EXAMPLES)
@option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def doctor(as_json: bool) -> int:
    """Examine this environment, and say what is wrong with it and how to mend it.

    The exit code is 1 where something is wrong. What is only missing, such as an extra, is a note.
    """
    from mtcnn_fast.diagnosis import diagnose

    findings = diagnose()
    if as_json:
        print_line(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print_line(f"{_MARKS[finding.state]:8} {finding.subject}: {finding.text}")
            if finding.remedy:
                print_line(f"{'':8} -> {finding.remedy}")
    return FAILED if any(finding.state == "problem" for finding in findings) else 0
