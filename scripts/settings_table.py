#!/usr/bin/env python3
"""Write the table of settings in docs/settings.md from their declarations in `mtcnn_fast.config`.

python scripts/settings_table.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mtcnn_fast.checks import settings_of
from mtcnn_fast.config import DEFAULTS, PRESETS, DetectorConfig

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
START, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def table() -> str:
    others = tuple(PRESETS)[1:]
    heads = " | ".join(f"`{name}`" for name in others)
    rows = [f"| setting | default | accepted | what it is | {heads} |", "|---" * (4 + len(others)) + "|"]
    for name, declared in settings_of(DetectorConfig).items():
        presets = [_code(PRESETS[preset].get(name)) for preset in others]
        default = f"`{getattr(DEFAULTS, name)!r}`"
        rows.append(f"| `{name}` | {default} | {declared.check.accepted} | {declared.help} | {' | '.join(presets)} |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{table()}{END}{after}"


def _code(value: Any) -> str:
    return "" if value is None else f"`{value!r}`"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the table is out of date")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_table(page)
    if check:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
