"""Print the oldest declared version of every runtime dependency as constraints for pip: `numpy>=1.24` as `numpy==1.24`.

A dependency without a lower bound is an error: nobody could say with which version the package works.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def constraints(text: str) -> list[str]:
    # No TOML: the oldest Python, which runs this, has no reader for it.
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    if listed is None:
        raise SystemExit("pyproject.toml lists no dependencies")
    lines = []
    for requirement in re.findall(r'"(.*?)"', listed[1]):
        found = re.match(r"([\w-]+)>=([\w.]+)", requirement)
        if found is None:
            raise SystemExit(f"{requirement!r} has no lower bound")
        lines.append(f"{found[1]}=={found[2]}")
    return lines


if __name__ == "__main__":
    print(*constraints(Path(sys.argv[1]).read_text(encoding="utf-8")), sep="\n")
