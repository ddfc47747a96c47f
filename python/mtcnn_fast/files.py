"""Files that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def written_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file under another name beside it, bring it to the disk, then give it its name."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON, whole or not at all."""
    written_whole(path, (json.dumps(value, indent=2) + "\n").encode())
