"""Check what stands in two places: versions of tools and of the package, stages of `.ci/run` in the workflows.

python scripts/ci/consistency.py        run by `make lint`, with the environment of the tools
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def listed(requirements: list[Any], groups: dict[str, list[Any]]) -> set[str]:
    """Take out the requirements of a dependency group, those of the groups in it included."""
    found: set[str] = set()
    for requirement in requirements:
        inner = listed(groups[requirement["include-group"]], groups) if isinstance(requirement, dict) else {requirement}
        found |= inner
    return found


def hook_problems(groups: dict[str, list[Any]], hooks: dict[str, Any]) -> list[str]:
    """Name the requirements of a pre-commit hook that the group `tools` does not have in these very words."""
    tools = listed(groups["tools"], groups)
    return [
        f".pre-commit-config.yaml: hook {hook['id']}: {requirement} is not in the group `tools` of pyproject.toml"
        for repository in hooks["repos"]
        for hook in repository["hooks"]
        for requirement in hook["additional_dependencies"]
        if requirement not in tools
    ]


def stage_problems(stages: list[str], workflow: dict[str, Any]) -> list[str]:
    """Name the stages that no job runs, and what jobs run that is no stage."""
    run: set[str] = set()
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {}).get("stages", [])
        for step in job["steps"]:
            for arguments in re.findall(r"bash \.ci/run (.*)", step.get("run", "")):
                chosen = matrix if "matrix.stages" in arguments else [arguments]
                run.update(name for names in chosen for name in names.split() if not name.startswith("--"))
    missing = [f".github/workflows/ci.yml: no job runs the stage {name}" for name in stages if name not in run]
    return missing + [f".github/workflows/ci.yml: there is no stage {name}" for name in run - set(stages)]


def version_problems(cuda: list[str]) -> list[str]:
    """Name the requirement of the extra `cuda` that does not ask for the kernels of this very version."""
    text = (ROOT / "python/mtcnn_fast/_version.py").read_text(encoding="utf-8")
    wanted = "mtcnn-fast-cuda==" + re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)[0]
    return [] if wanted in cuda else [f"pyproject.toml: the extra `cuda` must have {wanted}, got {cuda}"]


def name_problems() -> list[str]:
    """Name the files of tests that share a name: pytest imports one of them only."""
    files: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        files.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    return [f"{' and '.join(paths)} share a name" for paths in files.values() if len(paths) > 1]


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    listing = subprocess.run(["bash", ROOT / ".ci/run", "--list"], check=True, capture_output=True, text=True)
    problems = hook_problems(groups, hooks) + stage_problems(listing.stdout.split(), workflow)
    problems += version_problems(project["project"]["optional-dependencies"]["cuda"]) + name_problems()
    print(*problems, sep="\n", end="\n" if problems else "")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
