"""A site that makes browsers ask other hosts is refused; links to follow are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.data import ROOT

SCRIPT = ROOT / "scripts" / "ci" / "site_requests.py"
OWN = """<link rel="canonical" href="https://example.org/"><link rel="stylesheet" href="assets/main.css">
<a href="https://example.org/paper">paper</a><img src="images/a.png"><script src="assets/bundle.js"></script>"""


def check(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, site], capture_output=True, text=True, check=False)


def test_a_site_of_its_own_files_passes(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(OWN)
    (tmp_path / "main.css").write_text("a { background: url(images/a.png) } /* https://example.org */")
    assert check(tmp_path).returncode == 0


@pytest.mark.parametrize(
    "foreign",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<img src="https://badges.example/version.svg">',
        "<style>@import 'https://fonts.example/css';</style>",
        '<p style="background: url(https://cdn.example/a.png)"></p>',
        '<pre class="mermaid"><code>a --> b</code></pre>',
    ],
)
def test_a_foreign_request_in_a_page_is_named(tmp_path: Path, foreign: str) -> None:
    (tmp_path / "index.html").write_text(OWN + foreign)
    done = check(tmp_path)
    assert done.returncode == 1
    assert "index.html: " in done.stderr


def test_a_foreign_request_in_a_style_sheet_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(OWN)
    (tmp_path / "main.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }")
    assert "main.css: https://fonts.example/a.woff2" in check(tmp_path).stderr


def test_no_site_is_no_success(tmp_path: Path) -> None:
    assert check(tmp_path).returncode == 1
