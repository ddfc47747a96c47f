"""The page in a real browser, without a display: Debian's Chromium driven by Playwright."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.data import PHOTO
from support.serving import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)

#: A film of the example photo stands for the camera.
FLAGS = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The open page; whatever its console says is a fault, refusals by its own policy included."""
    context = browser.new_context(viewport={"width": 1000, "height": 800}, permissions=["camera"])
    opened = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    # Choosers of files are intercepted from now on, not from some moment after a test asks for one.
    opened.on("filechooser", lambda chooser: None)
    opened.goto(f"http://127.0.0.1:{server.port}/")
    opened.wait_for_selector("#version:has-text('version')")
    yield opened
    context.close()
    elsewhere = [url for url in asked if not url.startswith((f"http://127.0.0.1:{server.port}/", "blob:"))]
    assert elsewhere == []
    assert [fault for fault in faults if "422" not in fault and "Canvas2D" not in fault] == []


def wait_for(page: Any, text: str) -> None:
    page.wait_for_function("text => document.getElementById('status').textContent === text", arg=text, timeout=60_000)


def color_at(page: Any, x: float, y: float) -> list[int]:
    program = "([x, y]) => [...document.querySelector('.card canvas').getContext('2d').getImageData(x, y, 1, 1).data]"
    return list(page.evaluate(program, [x, y]))


def test_a_photo_is_searched_and_drawn(page: Any) -> None:
    page.set_input_files("#files", PHOTO)
    wait_for(page, "1 face in 1 photo")
    record = json.loads(page.text_content("pre"))
    left, top, right, bottom = record["faces"][0]["box"]
    middle = (top + bottom) / 2
    red, green, blue, _ = color_at(page, left, middle)
    assert (red, green > 150, blue > 80) == (pytest.approx(0, abs=90), True, True)
    x, y = record["faces"][0]["landmarks"][2]
    assert color_at(page, x, y)[:2] > [230, 190]
    assert "decode" in page.text_content(".summary")
    assert page.get_attribute(".card canvas", "aria-label") == "astronaut.jpg with 1 face"
    page.check("text=Plain")
    assert color_at(page, left, middle) != [red, green, blue, 255]
    before = roughness(page, left, top, right, bottom)
    page.check("text=Blur")
    assert roughness(page, left, top, right, bottom) < before / 3
    page.fill("#least", "1")
    wait_for(page, "0 faces in 1 photo")


def roughness(page: Any, left: float, top: float, right: float, bottom: float) -> float:
    """Return the mean difference of neighbouring values in a rectangle of the picture."""
    program = """([x, y, w, h]) => {
        const data = document.querySelector(".card canvas").getContext("2d").getImageData(x, y, w, h).data;
        let sum = 0;
        for (let i = 4; i < data.length; i += 4) sum += Math.abs(data[i] - data[i - 4]);
        return sum / (data.length / 4);
    }"""
    return float(page.evaluate(program, [left, top, right - left, bottom - top]))


def test_a_picture_is_saved(page: Any, tmp_path: Path) -> None:
    from PIL import Image

    page.set_input_files("#files", PHOTO)
    wait_for(page, "1 face in 1 photo")
    with page.expect_download() as download:
        page.click("text=Save picture")
    assert download.value.suggested_filename == "astronaut_faces.jpg"
    download.value.save_as(tmp_path / "saved.jpg")
    with Image.open(tmp_path / "saved.jpg") as saved, Image.open(PHOTO) as sent:
        assert saved.size == sent.size


def test_folders_and_files_that_are_no_images(page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "album" / "sub"
    folder.mkdir(parents=True)
    shutil.copy(PHOTO, folder / "a.jpg")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    (folder / "notes.txt").write_text("no image")
    page.set_input_files("#folder", tmp_path / "album")
    wait_for(page, "1 face in 1 photo")
    assert page.locator(".card").count() == 2
    assert "cannot be" in page.text_content(".card.failed .summary") or "not an image" in page.text_content(
        ".card.failed .summary"
    )


def test_dropping(page: Any) -> None:
    import base64

    page.evaluate(
        """text => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }""",
        base64.b64encode(PHOTO.read_bytes()).decode(),
    )
    wait_for(page, "1 face in 1 photo")


def test_keyboard_alone(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(PHOTO)
    wait_for(page, "1 face in 1 photo")
    seen = []
    for _ in range(16):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.value"
            )
        )
    for wanted in (
        "choose-folder",
        "camera-toggle",
        "landmarks",
        "scores",
        "min-face",
        "least",
        "save",
        "copy",
        "remove",
    ):
        assert wanted in seen
    page.focus(".remove")
    page.keyboard.press("Enter")
    assert page.locator(".card").count() == 0
    assert page.evaluate("document.activeElement.id") == "choose-files"


def test_camera(page: Any) -> None:
    page.click("#camera-toggle")
    page.wait_for_selector("#camera-state:has-text('ms a frame')", timeout=60_000)
    page.click("#snap")
    page.wait_for_selector(".card")
    page.click("#camera-stop")
    assert page.is_hidden("#camera")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    page.wait_for_selector("#status:has-text('in 1 photo')", timeout=60_000)


@pytest.mark.parametrize("width", [320, 390, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_width_and_no_scheme_breaks_it(browser: Any, server: Server, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#version:has-text('version')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in ground[4:-1].split(",")) < 384
    assert dark == (scheme == "dark")
    context.close()


def test_token(browser: Any, tmp_path: Path) -> None:
    server = Server(MTCNN_FAST_TOKEN="a-long-secret")
    try:
        server.wait_until_ready()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.set_input_files("#files", PHOTO)
        page.fill("#token", "a-long-secret")
        page.keyboard.press("Enter")
        wait_for(page, "1 face in 1 photo")
        page.close()
    finally:
        assert server.end() == 0
