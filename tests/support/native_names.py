"""The names of a native module, and which of them a test compares with an independent implementation.

A test that does so says it by `compares`, which also sees to it that the test uses the name. A name in a module's stub
that no test compares is found by `uncompared`.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from support.data import ROOT

PACKAGE = ROOT / "python" / "mtcnn_fast"


def stub_names(module: str) -> list[str]:
    """List the public names that the stub of a native module, such as ``_cpu``, defines, and ``Class.method``."""
    names: list[str] = []
    for node in ast.parse((PACKAGE / f"{module}.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.ClassDef) and not _is_type_of_dict(node)):
            names.append(node.name)
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    names.append(f"{node.name}.{method.name}")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _is_type_of_dict(node: ast.ClassDef) -> bool:
    """Tell whether a class of a stub is a `TypedDict`, which the module does not have."""
    return any(isinstance(base, ast.Name) and base.id == "TypedDict" for base in node.bases)


def compares(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare that a test compares native names, such as ``_cpu.Engine.detect``, with what does not use them.

    The test fails if it does not call one of them; uses of constants and properties cannot be seen. Names of ``_cuda``
    are watched in the module of the test's `device`.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def watched(*args: Any, **settings: Any) -> None:
            unused = set()
            # Before any is replaced: a method's class may be watched too.
            device = settings.get("device")
            places = [(name, *_place(name, None if device is None else device.module)) for name in names]
            with contextlib.ExitStack() as patches:
                for name, owner, attribute in places:
                    original = getattr(owner, attribute)
                    if callable(original):
                        unused.add(name)
                        watcher = _watcher(original, functools.partial(unused.discard, name))
                        patches.enter_context(mock.patch.object(owner, attribute, watcher))
                test(*args, **settings)
            assert not unused, f"the test does not call {sorted(unused)}"

        return watched

    return decorate


def _place(name: str, found: Any) -> tuple[Any, str]:
    """Return the module or class that has a name, and the name's last part; the package's module if none was found."""
    module, *path = name.split(".")
    owner = found if found is not None else importlib.import_module(f"mtcnn_fast.{module}")
    return functools.reduce(getattr, path[:-1], owner), path[-1]


def _watcher(function: Callable[..., Any], seen: Callable[[], None]) -> Callable[..., Any]:
    def call(*args: Any, **settings: Any) -> Any:
        seen()
        return function(*args, **settings)

    return call


def _compared(folder: Path) -> Iterator[str]:
    """Yield the arguments of every use of `compares` as a decorator of a test below a folder."""
    for path in folder.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "compares":
                    yield from (ast.literal_eval(argument) for argument in call.args)


def uncompared(module: str, folder: Path = ROOT / "tests") -> list[str]:
    """List the names of a module's stub that no test below a folder compares."""
    compared = set(_compared(folder))
    return [name for name in stub_names(module) if f"{module}.{name}" not in compared]
