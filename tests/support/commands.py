"""Commands run away from the source tree, as a user of the installed package runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed and return what it printed on its standard output."""
    # PYTHONPATH would put the source tree before the installed package.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
