"""The example programs run as they stand, and so does the code in the README."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.commands import run
from support.data import PHOTO, ROOT

EXAMPLES = ROOT / "examples"


def test_detect_prints_and_draws_the_face(tmp_path: Path) -> None:
    printed = run(sys.executable, EXAMPLES / "detect.py", cwd=tmp_path)
    assert len(re.findall(r"^face from \(18\d, 6\d\) to \(26\d, 17\d\), score (?:0\.99|1\.0)", printed, re.M)) == 1
    assert printed.count(" at (") == 5
    with Image.open(tmp_path / "astronaut_faces.jpg") as drawn, Image.open(PHOTO) as plain:
        assert drawn.size == plain.size
        assert drawn.tobytes() != plain.tobytes()


def test_stream_goes_on_after_a_broken_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(PHOTO.read_bytes()[:2000])
    lines = run(sys.executable, EXAMPLES / "stream.py", PHOTO, broken, PHOTO, cwd=tmp_path).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["astronaut.jpg", "broken.jpg", "astronaut.jpg"]
    assert lines[0] == lines[2]
    assert "1 face" in lines[0]
    assert "face" not in lines[1]


def test_align_saves_an_upright_face(tmp_path: Path) -> None:
    run(sys.executable, EXAMPLES / "align.py", cwd=tmp_path)
    with Image.open(tmp_path / "astronaut_aligned_1.png") as face:
        assert face.size == (112, 112)
    assert not (tmp_path / "astronaut_aligned_2.png").exists()


@pytest.mark.parametrize("number", range(len(re.findall(r"```python\n", (ROOT / "README.md").read_text()))))
def test_python_in_the_readme(number: int, tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[number]
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    run(sys.executable, "-c", code, cwd=tmp_path)


def test_every_link_of_the_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
    assert ROOT / "README.md" in documents
    targets = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
        if "://" not in target
    ]
    assert [(str(document), target) for document, target in targets if not (document.parent / target).exists()] == []
