"""Which module of the package imports which, read from the sources."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "mtcnn_fast"


@dataclasses.dataclass(frozen=True, order=True)
class Import:
    """One import, wherever in the file it stands: at its top, in a function or for type checkers alone."""

    importer: str
    imported: str
    line: int


def module_files(root: Path) -> dict[str, Path]:
    """Return the package's modules, named without the package's own name, which is the empty one."""
    found = {}
    for path in sorted([*root.rglob("*.py"), *root.rglob("_c*.pyi")]):
        parts = list(path.relative_to(root).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def read_imports(root: Path) -> list[Import]:
    """Return every import of one of the package's modules by another."""
    files = module_files(root)
    return sorted({found for name, path in files.items() for found in _imports_of(name, path, files)})


def _imports_of(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            # `from a import b` imports the module a.b where there is one.
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
            targets = [t if _inside(t) in files else node.module or "" for t in targets]
        for target in targets:
            imported = _inside(target)
            if imported is not None and imported in files and imported != name:
                yield Import(name, imported, node.lineno)


def _inside(dotted: str) -> str | None:
    """Return a module's name without the package's, or None for another package's module."""
    first, _, rest = dotted.partition(".")
    return rest if first == PACKAGE else None


def layer_of(module: str, layers: Mapping[str, int]) -> int | None:
    """Return the layer of the longest entry that a module is, or is inside of."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        entry = ".".join(parts[:length])
        if entry in layers:
            return layers[entry]
    return None


def upward(imports: list[Import], layers: Mapping[str, int]) -> list[str]:
    """Describe the imports that run from a lower layer to a higher one."""
    found = []
    for each in imports:
        low, high = layer_of(each.importer, layers), layer_of(each.imported, layers)
        if low is not None and high is not None and low < high:
            found.append(f"{each.importer}:{each.line} (layer {low}) imports {each.imported} (layer {high})")
    return found


def circles(imports: list[Import]) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle (Tarjan 1972)."""
    graph: dict[str, list[str]] = {}
    for each in imports:
        graph.setdefault(each.importer, []).append(each.imported)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph.get(module, []):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in list(graph):
        if module not in index:
            visit(module)
    return found


def read_layers(page: Path) -> dict[str, int]:
    """Read the table of layers in docs/architecture.md: a row is ``| number | `modules`, … | what they are |``."""
    layers = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0].isdigit():
            for entry in cells[1].split(","):
                layers[entry.strip().strip("`")] = int(cells[0])
    return layers
