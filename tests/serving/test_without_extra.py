"""What the package says where the extra is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mtcnn_fast import ConfigError
from mtcnn_fast.serving.options import ServiceOptions, detector_settings

#: Hides a package from the interpreter that runs the rest.
PROGRAM = """
import sys
sys.modules[sys.argv.pop(1)] = None
from mtcnn_fast.cli import main
sys.argv[0] = "mtcnn-fast"
main()
"""


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "prometheus_client", "python_multipart"])
def test_the_command_names_package_and_extra(package: str) -> None:
    command = [sys.executable, "-c", PROGRAM, package, "serve", "--port", "0", "--device", "numpy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "pip install 'mtcnn-fast[serve]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_loads_nothing_of_it() -> None:
    program = "import sys, mtcnn_fast.serving; print('fastapi' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["num_threads", "max_pixels"])
def test_settings_that_the_service_decides(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must not be"):
        detector_settings({name: 2}, ServiceOptions())
