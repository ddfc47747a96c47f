"""``docs/command.md`` says what the command does."""

from __future__ import annotations

import re

import pytest

from mtcnn_fast.cli import exit_codes
from support.data import ROOT

PAGE = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")


def test_every_exit_code_is_described() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    assert codes == {0, 2, exit_codes.FAILED, exit_codes.INTERRUPTED, exit_codes.BROKEN_PIPE}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_described(shell: str) -> None:
    assert f"_MTCNN_FAST_COMPLETE={shell}_source mtcnn-fast" in PAGE
