"""``mtcnn-fast info``, ``--version`` and ``--help``."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import click
import pytest

import mtcnn_fast
import mtcnn_fast.cli.info as info
from mtcnn_fast.cli import COMMANDS, app
from mtcnn_fast.config import WEIGHTS
from mtcnn_fast.weights.loader import SHIPPED
from support.cli import problem
from support.cli import run as run_command


def run(*arguments: str) -> str:
    return run_command(*arguments).stdout


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


def test_info_names_each_of_the_packages_weights() -> None:
    found = json.loads(run("info", "--json"))
    named = [found["weights"], *found["other_weights"]]
    assert [weights["name"] for weights in named] == list(WEIGHTS)
    assert all(weights["metadata"].keys() == weights["sha256"].keys() for weights in named)
    text = run("info")
    assert all(digest in text for weights in named for digest in weights["sha256"].values())


def test_info_prints_the_same_for_people() -> None:
    found = json.loads(run("info", "--json"))
    text = run("info")
    assert mtcnn_fast.__version__ in text
    assert all(name in text for name in found["backends"])
    assert all(digest in text for digest in found["weights"]["sha256"].values())
    assert max(len(line) for line in text.splitlines() if str(SHIPPED) not in line and "platform" not in line) <= 80


@pytest.mark.parametrize(
    ("available", "forced", "line"),
    [
        ([], None, "none: there is no native engine here"),
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


def test_damaged_installation_is_named_without_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mtcnn_fast.weights.loader.SHIPPED", tmp_path)
    assert problem("info").startswith("mtcnn-fast: ")


def test_version() -> None:
    assert run("--version") == f"mtcnn-fast {mtcnn_fast.__version__}\n"


def test_help_lists_the_commands() -> None:
    text = run("--help")
    assert "detect" in text
    assert "info" in text
    assert "mtcnn-fast detect photo.jpg" in text


def test_no_command_shows_the_help() -> None:
    assert "Usage: " in run_command(ending=2).stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["dettect"], "No such command 'dettect'. Did you mean 'detect'?"),
        (["photo.jpg"], "No such command 'photo.jpg'. Did you mean 'mtcnn-fast detect photo.jpg'?"),
        (["some/folder"], "Did you mean 'mtcnn-fast detect some/folder'?"),
        (["evaluate", "widerfaces"], "No such command 'widerfaces'. Did you mean 'widerface'?"),
        (["detect", "a.jpg", "--jsn"], "No such option"),
        (["detect", "a.jpg", "--jsn"], "--json"),
        (["detect", "a.jpg", "--min-face-sise", "3"], "--min-face-size"),
    ],
)
def test_mistyped_names_bring_a_suggestion(given: list[str], message: str) -> None:
    assert message in problem(*given, ending=2)


def test_a_name_like_nothing_brings_none() -> None:
    assert problem("qqqq", ending=2).endswith("Error: No such command 'qqqq'.")


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    context = click.Context(app)
    for name, summary in COMMANDS.items():
        command = app.get_command(context, name)
        assert command is not None
        assert command.name == name
        first = " ".join((command.help or "").split("\n\n")[0].split())
        assert first == summary.help
    assert app.list_commands(context) == list(COMMANDS)


def commands() -> list[list[str]]:
    context = click.Context(app)
    groups = {name: app.get_command(context, name) for name in COMMANDS}
    return [
        path
        for name, command in groups.items()
        for path in (
            [[name], *([name, inner] for inner in command.commands)] if isinstance(command, click.Group) else [[name]]
        )
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_of_each_command(command: list[str]) -> None:
    text = run(*command, "--help")
    examples = text[text.index("Examples:") :]
    assert f"mtcnn-fast {' '.join(command)} " in f"{examples} ".replace("\n", " ")
    assert "[bold]" not in text


def test_help_of_training_names_the_extra() -> None:
    assert "pip install 'mtcnn-fast[train]'" in " ".join(run("train", "--help").split())
