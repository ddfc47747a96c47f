"""Tensors are made with a type and a device: a result may not follow the defaults that a process sets in torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtcnn_fast import __file__ as package_file

PACKAGE = Path(package_file).parent

#: Functions of torch that ask the process's defaults for what is not said.
FACTORIES = {
    "arange", "as_tensor", "empty", "empty_strided", "eye", "full", "linspace", "logspace", "normal", "ones",
    "rand", "randint", "randn", "randperm", "scalar_tensor", "tensor", "zeros",
}  # fmt: skip


def bare_factories(source: str, file: str = "") -> Iterator[str]:
    """Yield each call of a factory that leaves the type or the device to the process."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of_torch = isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "_TORCH")
        if of_torch and node.func.attr in FACTORIES:
            missing = {"dtype", "device"} - {keyword.arg for keyword in node.keywords}
            if missing:
                yield f"{file}:{node.lineno} torch.{node.func.attr} without {' and '.join(sorted(missing))}"


def test_every_factory_names_type_and_device():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        found += bare_factories(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
    # Memory of another library: it stays where it is, and its type is its own. The call switches the defaults off.
    allowed = [line for line in found if line.startswith("backends/torch/operators.py") and "as_tensor" in line]
    assert len(allowed) == 1
    assert [line for line in found if line not in allowed] == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("torch.zeros(3)", "torch.zeros without device and dtype"),
        ("torch.tensor([1], dtype=torch.int32)", "torch.tensor without device"),
        ("x = f(torch.arange(3, device=d))", "torch.arange without dtype"),
        ("torch.zeros(3, dtype=t, device=d)", None),
        ("x.new_zeros(3)", None),
        ("np.zeros(3)", None),
    ],
)
def test_bare_factories_are_found(source, problem):
    assert [line.partition(" ")[2] for line in bare_factories(source)] == ([problem] if problem else [])
