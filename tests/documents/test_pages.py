"""The documents hold together: commands that exist, a navigation with every page, a reference of today."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mtcnn_fast.cli import COMMANDS, app
from support.data import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def documented() -> list[tuple[str, str]]:
    """Return page and line of every ``mtcnn-fast`` in a console block, those that are not run included."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                if line.startswith("$ "):
                    found += [(page.name, part) for part in re.split(r"[|>&]", line[2:]) if "mtcnn-fast " in part]
    return found


@pytest.mark.parametrize(("page", "line"), documented())
def test_a_command_has_these_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    if "docker" in words or "pip" in words:
        pytest.skip("another program's line")
    _, name, *arguments = words[words.index("mtcnn-fast") :]
    assert name in COMMANDS, page
    top = click.Context(app, info_name="mtcnn-fast")
    command = app.get_command(top, name)
    assert command is not None
    context = click.Context(command, parent=top, info_name=name)
    if isinstance(command, click.Group):
        command = command.get_command(context, arguments.pop(0))
        assert command is not None
    command.make_parser(click.Context(command)).parse_args(arguments)


def test_every_page_is_in_the_navigation() -> None:
    named = re.findall(r"^ +- [^#\n]*?: ([\w-]+\.md)$", SITE, flags=re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in PAGES[1:])
    assert len(named) == len(set(named))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_site_shows_what_the_repository_shows(page: Path) -> None:
    text = re.sub(r"^---\n.*?^---$|^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    # Python-Markdown nests a list from four spaces on, and keeps the backslash before a bar inside code.
    assert re.findall(r"^ {1,3}(?:[-*]|\d+\.) .*", text, flags=re.MULTILINE) == []
    assert re.findall(r"`[^`\n]*\\\|[^`\n]*`", text) == []


def test_the_reference_of_the_command_is_up_to_date() -> None:
    script = ROOT / "scripts" / "command_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "run scripts/command_reference.py"


def test_agreement_with_facenet_pytorch_is_promised_for_clip_alone() -> None:
    for page in PAGES:
        for paragraph in re.split(r"\n\s*\n", page.read_text(encoding="utf-8")):
            if re.search(r"facenet-pytorch's (faces|results)|the same faces as facenet-pytorch", paragraph):
                assert "clip" in paragraph, (page.name, paragraph[:200])
