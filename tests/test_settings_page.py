"""``docs/settings.md`` says what the declarations say."""

from __future__ import annotations

import re
import subprocess
import sys

from mtcnn_fast._native import THREADS, THREADS_VARIABLE
from mtcnn_fast.config import DetectorConfig
from support.data import ROOT

PAGE = ROOT / "docs" / "settings.md"
SCRIPT = ROOT / "scripts" / "settings_table.py"


def test_the_table_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "run scripts/settings_table.py"


def test_every_setting_has_a_row() -> None:
    names = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert names[: len(DetectorConfig.__dataclass_fields__)] == list(DetectorConfig.__dataclass_fields__)


def test_the_variable_of_threads_is_described() -> None:
    assert f"| `{THREADS_VARIABLE}` | {THREADS.accepted} |" in PAGE.read_text(encoding="utf-8")
