"""What is said where the packages of an extra are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mtcnn_fast import MissingExtraError, distributed
from support.cli import problem


@pytest.mark.parametrize("package", ["fsspec.core", "pyarrow"])
def test_plan_names_the_extra(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "a.jpg").write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mtcnn-fast\[batch\]'"):
        distributed.plan([str(tmp_path / "a.jpg")], tmp_path / "out")


def test_the_command_says_it_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    text = problem("batch", "plan", tmp_path, "--out", tmp_path / "out")
    assert text.startswith("mtcnn-fast: a batch needs fsspec")
    assert "pip install 'mtcnn-fast[batch]'" in text


def test_ray_has_an_extra_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtcnn_fast.distributed import extras

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"the executor 'ray' needs ray.*pip install 'mtcnn-fast\[ray\]'"):
        extras.ray()


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="plam"):
        distributed.plam  # noqa: B018
    assert set(distributed.__all__) <= set(dir(distributed))
