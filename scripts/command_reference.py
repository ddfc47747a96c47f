#!/usr/bin/env python3
"""Write docs/command-reference.md: the help of every command, as the command prints it.

python scripts/command_reference.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import click

from mtcnn_fast.cli import COMMANDS, app

PAGE = Path(__file__).parents[1] / "docs" / "command-reference.md"
HEAD = """# Command reference

The help of every command, written by `scripts/command_reference.py`. [The command](command.md) has exit codes,
completion and files, [settings](settings.md) what each setting means.

"""
WIDTH = 100


def page() -> str:
    """Return the page that belongs to the sources."""
    top = click.Context(app, info_name="mtcnn-fast", terminal_width=WIDTH, max_content_width=WIDTH)
    parts = [HEAD, _section("mtcnn-fast", app.get_help(top))]
    for name in COMMANDS:
        command = app.get_command(top, name)
        assert command is not None, name
        context = click.Context(command, parent=top, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
        parts.append(_section(f"mtcnn-fast {name}", command.get_help(context)))
    return "".join(parts).rstrip("\n") + "\n"


def _section(title: str, text: str) -> str:
    return f"## `{title}`\n\n```text\n{text.rstrip()}\n```\n\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the page is out of date")
    check = parser.parse_args().check
    wanted = page()
    if check:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        return int(current != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
