"""``mtcnn-fast info``, ``--version`` and ``--help``."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mtcnn_fast
from mtcnn_fast.cli import app, info
from mtcnn_fast.weights.loader import SHIPPED


def run(*arguments: str, ending: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == ending, result.output
    return result.output


def test_info_as_json() -> None:
    found = json.loads(run("info", "--json"))
    assert found["version"] == mtcnn_fast.__version__
    backends = {name: state["reason"] for name, state in found["backends"].items()}
    assert backends == mtcnn_fast.available_backends()
    assert all(state["available"] == (state["reason"] is None) for state in found["backends"].values())
    assert found["devices"][0]["device"] == "cpu"
    assert found["devices"][0]["threads"] >= 1
    assert found["weights"]["sha256"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED.glob("*.safetensors")
    }


def test_info_tells_the_same_to_people() -> None:
    found = json.loads(run("info", "--json"))
    text = run("info")
    assert mtcnn_fast.__version__ in text
    assert all(name in text for name in found["backends"])
    assert all(digest in text for digest in found["weights"]["sha256"].values())
    assert max(len(line) for line in text.splitlines() if str(SHIPPED) not in line and "platform" not in line) <= 80


@pytest.mark.parametrize(
    ("available", "forced", "line"),
    [
        ([], None, "none, as there is no native engine here"),
        (["avx2", "sse2"], None, "avx2 of avx2, sse2"),
        (["avx2", "sse2"], "sse2", "sse2 of avx2, sse2, by MTCNN_FAST_ISA"),
    ],
)
def test_instruction_set(available: list[str], forced: str | None, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "native_isas", lambda: available)
    monkeypatch.setenv("MTCNN_FAST_ISA", forced or "")
    assert json.loads(run("info", "--json"))["isa"] == {"available": available, "forced": forced}
    assert re.search(r"^isa +(.*)$", run("info"), re.MULTILINE)[1] == line  # type: ignore[index]


def test_threads_are_the_processors_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "usable_processors", lambda: 12)
    assert json.loads(run("info", "--json"))["devices"] == [{"device": "cpu", "threads": 12}]


def test_damaged_installation_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mtcnn_fast.weights.loader.SHIPPED", tmp_path)
    assert run("info", ending=1).startswith("mtcnn-fast: ")


def test_version() -> None:
    assert run("--version") == f"mtcnn-fast {mtcnn_fast.__version__}\n"


def test_help_lists_the_commands() -> None:
    text = run("--help")
    assert "detect" in text
    assert "info" in text
    assert "mtcnn-fast detect photo.jpg" in text


@pytest.mark.parametrize("command", ["detect", "info"])
def test_help_of_each_command_has_examples(command: str) -> None:
    text = run(command, "--help")
    examples = text[text.index("Examples") :]
    assert f"mtcnn-fast {command}" in examples


def test_help_of_detect_names_every_setting() -> None:
    text = run("detect", "--help")
    for name in mtcnn_fast.DetectorConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in text


def test_no_command_shows_the_help() -> None:
    assert "Usage: " in CliRunner().invoke(app, []).output


def test_unknown_command() -> None:
    assert "No such command" in run("dettect", ending=2)
