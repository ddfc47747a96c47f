"""What the command loads before it has something to do, and what a shell completes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtcnn_fast.cli import COMMANDS

#: What a command needs only when it works.
HEAVY = {"numpy", "PIL", "safetensors", "torch", "matplotlib", "scipy", "tqdm", "logging", "multiprocessing"}

PROGRAM = """
import atexit, json, pathlib, sys
target = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: target.write_text(json.dumps(sorted(sys.modules))))
sys.argv[0] = "mtcnn-fast"
from mtcnn_fast.cli import main
main()
"""


@functools.cache
def modules_of_the_interpreter() -> frozenset[str]:
    """Return what an interpreter loads for itself, or for a measurement of coverage."""
    program = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return frozenset(json.loads(done.stdout))


def modules_after(folder: Path, *arguments: str, **environment: str) -> tuple[set[str], str]:
    """Run the command; return what it had loaded for itself when it ended, and what it printed."""
    listing = folder / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(listing), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(json.loads(listing.read_text())) - modules_of_the_interpreter(), done.stdout


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_command(option: str, tmp_path: Path) -> None:
    loaded, text = modules_after(tmp_path, option)
    assert "mtcnn-fast" in text
    assert "mtcnn_fast.cli" in loaded
    assert loaded & HEAVY == set()
    assert loaded & {summary.target.partition(":")[0] for summary in COMMANDS.values()} == set()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_of_a_command_loads_only_its_options(command: str, tmp_path: Path) -> None:
    loaded, text = modules_after(tmp_path, command, "--help")
    assert f"Usage: mtcnn-fast {command}" in text
    assert loaded & HEAVY == set()
    others = {summary.target.partition(":")[0] for name, summary in COMMANDS.items() if name != command}
    assert loaded & others == set()


@pytest.mark.parametrize(
    ("words", "count", "expected"),
    [
        ("mtcnn-fast de", 1, {"detect"}),
        ("mtcnn-fast ", 1, set(COMMANDS)),
        ("mtcnn-fast detect --thr", 2, {"--thresholds"}),
        ("mtcnn-fast detect --border ", 3, {"zero", "clip"}),
        ("mtcnn-fast detect --preset f", 3, {"fast"}),
        ("mtcnn-fast detect --device c", 3, {"cpu", "cuda"}),
        ("mtcnn-fast evaluate w", 2, {"widerface"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, words: str, count: int, expected: set[str], tmp_path: Path) -> None:
    incomplete = words.rpartition(" ")[2]
    given = {"COMP_WORDS": words, "COMP_CWORD": incomplete if shell == "fish" else str(count)}
    loaded, text = modules_after(tmp_path, _MTCNN_FAST_COMPLETE=f"{shell}_complete", **given)
    lines = text.splitlines()
    found = {
        "bash": {line.partition(",")[2] for line in lines},
        "zsh": set(lines[1::3]),
        "fish": {line.partition(",")[2].partition("\t")[0] for line in lines},
    }[shell]
    assert found >= expected
    assert all(word.startswith(incomplete) for word in found)
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_completion(shell: str, tmp_path: Path) -> None:
    _, text = modules_after(tmp_path, _MTCNN_FAST_COMPLETE=f"{shell}_source")
    assert "_MTCNN_FAST_COMPLETE" in text
    assert "mtcnn-fast" in text
