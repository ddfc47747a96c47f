"""Every block of Python and of shell commands in the documents runs, in the order of its page.

A page's blocks share a folder with a few pictures, and its Python blocks their names. A block that cannot run here
stands below ``<!-- skip: next "what is missing" -->``.
"""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

import pytest

from support.data import PHOTO, ROOT

sybil = pytest.importorskip("sybil", reason="sybil is not installed; it finds the blocks")

from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECONDS = 240

#: A program for the page about other packages' interfaces.
SCRIPT = "from mtcnn import MTCNN\n\nprint(MTCNN().detect_faces('photo.jpg'))\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder that blocks run in, with pictures, the configurations and the command."""
    place = tmp_path / "place"
    (place / "holiday" / "older").mkdir(parents=True)
    for name in ("photo.jpg", "holiday/beach.jpg", "holiday/dinner.jpg", "holiday/older/garden.jpg"):
        shutil.copy(PHOTO, place / name)
    shutil.copytree(place / "holiday", place / "photos")
    shutil.copytree(ROOT / "configs", place / "configs")
    (place / "script.py").write_text(SCRIPT)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, command in (("mtcnn-fast", "-m mtcnn_fast"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(place)
    return place


def run_console(example: sybil.Example) -> None:
    """Run each line after ``$``; where output stands below it, compare, with ``...`` for any text."""
    for command, wanted in commands_of(str(example.parsed)):
        run_command(command, wanted)


def run_command(command: str, wanted: str) -> None:
    """Run a command of bash, which must succeed and print what is wanted, if anything is."""
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    assert not wanted.strip() or checker.check_output(wanted, done.stdout, options), (
        f"$ {command}\nwanted:\n{wanted}\ngot:\n{done.stdout}"
    )


def run_script(example: sybil.Example) -> None:
    """Run all of a block as one script of bash."""
    run_command(str(example.parsed), "")


def commands_of(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, lines that go on joined, and the output written below each."""
    found: list[tuple[str, str]] = []
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found:
            command, output = found[-1]
            found[-1] = (command, f"{output}{line}\n")
    return found


def missing(package: str) -> bool:
    """Return whether a package is not installed, for the marks of blocks that need it."""
    return importlib.util.find_spec(package) is None


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_blocks_of_a_page_run(page: Path, folder: Path) -> None:
    parsers = [
        PythonCodeBlockParser(),
        CodeBlockParser(language="console", evaluator=run_console),
        CodeBlockParser(language="bash", evaluator=run_script),
        SkipParser(),
    ]
    document = sybil.Sybil(parsers).parse(page)
    document.namespace |= {"has_torch": not missing("torch"), "missing": missing}
    for example in document.examples():
        try:
            example.evaluate()
        except SkipTest as reason:
            print(f"{page.name}:{example.line}: not run: {reason}")
        except Exception as error:
            raise AssertionError(f"{page.name}:{example.line}: {error}") from error


def test_a_block_that_fails_is_noticed(folder: Path) -> None:
    for text in ("$ mtcnn-fast detect nothing.jpg", "$ echo one\ntwo"):
        with pytest.raises(AssertionError):
            run_console(type("Example", (), {"parsed": text}))
    run_console(type("Example", (), {"parsed": "$ echo one \\\n    two\none..."}))


def test_no_kind_of_block_is_forgotten() -> None:
    known = {"python", "console", "bash", "text", "json", "toml", "ini", "nginx", "yaml", "dockerfile", ""}
    for page in PAGES:
        fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert set(fences) <= known, page.name
