"""The repository's address in the metadata, and links of the README that work on PyPI."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from support.data import ROOT

URL = "https://example.org/someone/mtcnn-fast"


@pytest.fixture(scope="module")
def provider() -> ModuleType:
    spec = importlib.util.spec_from_file_location("project_metadata", ROOT / "packages/project_metadata.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/a.md)", f"[a]({URL}/blob/v1.2/docs/a.md)"),
        ("[a](docs/a.md#part) and [b](b/)", f"[a]({URL}/blob/v1.2/docs/a.md#part) and [b]({URL}/blob/v1.2/b/)"),
        ("![a](a.jpg)", f"![a]({URL}/raw/v1.2/a.jpg)"),
        ("[a](https://a.org/b)", "[a](https://a.org/b)"),
        ("[a](#part) [b](mailto:b@c.org)", "[a](#part) [b](mailto:b@c.org)"),
        ("`faces[0](x)` f(x)", "`faces[0](x)` f(x)"),
    ],
)
def test_links(provider: ModuleType, text: str, expected: str) -> None:
    assert provider.absolute_links(text, URL, "1.2") == expected


def test_readme_and_urls(provider: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MTCNN_FAST_URL", URL + "/")
    readme = provider.dynamic_metadata("readme", {}, {"version": "1.2"})
    targets = re.findall(r"\]\(([^)\s]+)\)", readme["text"])
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert provider.dynamic_metadata("urls", {}, {})["Issues"] == f"{URL}/issues"


def test_without_an_address_nothing_is_claimed(provider: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MTCNN_FAST_URL", raising=False)
    assert provider.dynamic_metadata("urls", {}, {}) == {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert provider.dynamic_metadata("readme", {}, {"version": "1.2"}) == {
        "content-type": "text/markdown",
        "text": text,
    }


@pytest.mark.parametrize("url", ["example.org/a", "https://example.org", "https://"])
def test_no_address(provider: ModuleType, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MTCNN_FAST_URL", url)
    with pytest.raises(SystemExit, match="must be the address of a repository"):
        provider.dynamic_metadata("urls", {}, {})
