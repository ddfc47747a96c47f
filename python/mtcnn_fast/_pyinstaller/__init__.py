"""What PyInstaller needs to put this package into a frozen application; it finds this by the entry point."""

from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folder with the hooks, for the entry point ``pyinstaller40``."""
    return [str(Path(__file__).parent)]
