"""Requests as clients send them, and their answers."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, Faces
from support.portrait import portrait
from support.serving import Server, form

SETTINGS: dict[str, Any] = {"min_face_size": 40, "factor": 0.6}


@pytest.fixture(scope="module")
def faces(photo: bytes) -> Faces:
    return Detector(**SETTINGS, num_threads=1).detect(photo)


def test_a_body_gives_what_detect_gives(server: Server, photo: bytes, faces: Faces) -> None:
    answer = server.post("/v1/detect", photo)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "detect;dur=" in answer.headers["server-timing"]
    record = answer.json()
    assert set(record.pop("seconds")) == {"queue", "decode", "detect"}
    assert record == faces.to_dict()
    assert len(faces) == 1


@pytest.mark.parametrize("field", ["image", "file"])
def test_a_form_gives_the_same(server: Server, photo: bytes, faces: Faces, field: str) -> None:
    body, kind = form(("photo.jpg", photo), field=field)
    assert Faces.from_json(server.post("/v1/detect", body, kind).body) == faces


def test_a_body_of_unknown_length(server: Server, photo: bytes, faces: Faces) -> None:
    answer = server.post("/v1/detect", iter([photo[:1000], photo[1000:]]))
    assert Faces.from_json(answer.body) == faces


def test_settings_of_a_request(server: Server, photo: bytes) -> None:
    answer = server.post("/v1/detect?min_face_size=30&max_faces=1&landmarks=false", photo)
    detector = Detector(**{**SETTINGS, "min_face_size": 30}, max_faces=1, num_threads=1)
    (face,) = answer.json()["faces"]
    assert face["box"] == detector.detect(photo).boxes[0].tolist()
    assert "landmarks" not in face


def test_more_detectors_than_are_kept(server: Server, small: bytes) -> None:
    for size in [*range(41, 53), 41]:
        assert server.post(f"/v1/detect?min_face_size={size}", small).status == 200


@pytest.mark.parametrize("form_name", ["drawn", "blurred", "pixelated"])
def test_pictures(server: Server, photo: bytes, faces: Faces, form_name: str) -> None:
    answer = server.post(f"/v1/detect?format={form_name}", photo)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "render;dur=" in answer.headers["server-timing"]
    sent, shown = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in (photo, answer.body))
    assert shown.shape == sent.shape
    change = np.abs(shown - sent).sum(axis=2)
    left, top, right, bottom = faces.boxes[0].astype(int)
    assert change[top:bottom, left:right].mean() > 10 * max(1, change[300:, 300:].mean())


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("image/jpeg", "image/jpeg"),
        ("image/*;q=0.9, application/json;q=0.1", "image/jpeg"),
        ("image/jpeg;q=0.5, application/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=x, image/jpeg", "image/jpeg"),
    ],
)
def test_accept(server: Server, small: bytes, accept: str, kind: str) -> None:
    answer = server.post("/v1/detect", small, "image/png", Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)


def test_a_batch(server: Server, photo: bytes, small: bytes, faces: Faces) -> None:
    body, kind = form(("a.jpg", photo), ("torn.png", b"\x89PNG\r\n\x1a\n torn"), ("b.png", small), field="images")
    answer = server.post("/v1/detect/batch?landmarks=true", body, kind)
    assert answer.status == 200
    first, torn, last = answer.json()["results"]
    assert [entry["name"] for entry in (first, torn, last)] == ["a.jpg", "torn.png", "b.png"]
    assert Faces.from_dict(first) == faces
    assert len(last["faces"]) == 1
    assert torn["error"]["status"] == 422
    assert torn["error"]["type"] == "/problems/unreadable-image"


@pytest.mark.parametrize(
    ("path", "kind", "body", "status", "problem", "says"),
    [
        ("/v1/detect", "image/jpeg", b"", 422, "unreadable-image", "empty"),
        ("/v1/detect", "image/jpeg", b"no image", 422, "unreadable-image", "not an image"),
        ("/v1/detect", "application/x-www-form-urlencoded", b"x", 415, "unsupported-media-type", "image/*"),
        ("/v1/detect", "multipart/form-data", b"x", 400, "damaged-form", "boundary"),
        ("/v1/detect", "multipart/form-data; boundary=b", b"x", 400, "damaged-form", ""),
        ("/v1/detect?min_face_size=0", "image/jpeg", b"x", 422, "invalid-request", "min_face_size"),
        ("/v1/detect?min_face_size=nan", "image/jpeg", b"x", 422, "invalid-request", "min_face_size"),
        ("/v1/detect?max_faces=1.5", "image/jpeg", b"x", 422, "invalid-request", "max_faces"),
        ("/v1/detect?format=svg", "image/jpeg", b"x", 422, "invalid-request", "format"),
        ("/v1/detect/batch", "image/jpeg", b"x", 415, "unsupported-media-type", "multipart"),
        ("/v1/nothing", "image/jpeg", b"x", 404, "not-found", "/v1/nothing"),
        ("/healthz", "image/jpeg", b"x", 405, "method-not-allowed", "POST"),
    ],
)
def test_problems(server: Server, path: str, kind: str, body: bytes, status: int, problem: str, says: str) -> None:
    answer = server.post(path, body, kind)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    details = answer.json()
    assert details["type"] == f"/problems/{problem}"
    assert details["status"] == status
    assert says in details["detail"]


def test_what_accept_cannot_have(server: Server, small: bytes) -> None:
    assert server.post("/v1/detect", small, Accept="text/html").status == 406
    assert server.post("/v1/detect", small, Accept="image/png, */*;q=0").status == 406


def test_forms_with_a_wrong_number_of_files(server: Server, small: bytes) -> None:
    two, kind = form(("a", small), ("b", small))
    assert server.post("/v1/detect", two, kind).json()["type"] == "/problems/too-many-images"
    five, kind = form(*[("a", small)] * 5)
    assert server.post("/v1/detect/batch", five, kind).status == 413
    none, kind = form()
    assert server.post("/v1/detect/batch", none, kind).json()["type"] == "/problems/no-image"


def test_probes_and_limits(server: Server) -> None:
    assert server.ask("GET", "/healthz").json() == {"status": "ok"}
    assert server.ask("GET", "/readyz").json() == {"status": "ready"}
    limits = server.ask("GET", "/v1/limits").json()
    assert limits["max_body"] == 1_000_000
    assert limits["min_face_size"] == 40
    assert limits["token"] is False


def test_metrics(server: Server, small: bytes) -> None:
    def value(name: str) -> float:
        lines = server.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    posted = 'mtcnn_fast_requests_total{method="POST",route="/v1/detect",status="200"}'
    before = [value(name) for name in (posted, "mtcnn_fast_images_total", "mtcnn_fast_faces_total")]
    assert server.post("/v1/detect", small).status == 200
    after = [value(name) for name in (posted, "mtcnn_fast_images_total", "mtcnn_fast_faces_total")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]
    assert value("mtcnn_fast_slots ") == 2
    text = server.ask("GET", "/metrics").body.decode()
    assert "/v1/nothing" not in text
    assert "process_resident_memory_bytes" in text


def infer(server: Server, tensor: dict[str, Any], **more: Any) -> Any:
    body = json.dumps({"id": "7", "inputs": [tensor], **more})
    return server.post("/v2/models/mtcnn/infer", body, "application/json")


def test_inference_protocol(server: Server, photo: bytes, small: bytes, faces: Faces) -> None:
    assert server.ask("GET", "/v2").json()["name"] == "mtcnn-fast"
    assert server.ask("GET", "/v2/health/live").json() == {"live": True}
    assert server.ask("GET", "/v2/health/ready").json() == {"ready": True}
    assert server.ask("GET", "/v2/models/mtcnn/versions/1/ready").status == 200
    metadata = server.ask("GET", "/v2/models/mtcnn").json()
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["boxes", "scores", "landmarks", "image"]
    files = [base64.b64encode(data).decode() for data in (small, photo)]
    answer = infer(server, {"name": "image", "datatype": "BYTES", "shape": [2], "data": files})
    assert answer.status == 200
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    assert answer.json()["id"] == "7"
    assert outputs["image"]["data"] == [0, 1]
    boxes = np.array(outputs["boxes"]["data"], np.float32).reshape(outputs["boxes"]["shape"])
    np.testing.assert_array_equal(boxes[1], faces.boxes[0])
    assert outputs["landmarks"]["shape"] == [2, 5, 2]


def test_inference_of_pixels(server: Server) -> None:
    pixels = portrait()
    expected = Detector(**SETTINGS, num_threads=1).detect(pixels)
    for data, shape in ((pixels.tolist(), [112, 112, 3]), (pixels.ravel().tolist(), [1, 112, 112, 3])):
        tensor = {"name": "image", "datatype": "UINT8", "shape": shape, "data": data}
        (output,) = infer(server, tensor, outputs=[{"name": "scores"}]).json()["outputs"]
        np.testing.assert_array_equal(np.array(output["data"], np.float32), expected.scores)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "picture"},
        {"datatype": "FP32"},
        {"shape": [2]},
        {"data": ["?"]},
        {"data": [1]},
        {"datatype": "UINT8", "shape": [1, 1, 3], "data": [0, 1, 256]},
        {"datatype": "UINT8", "shape": [1, 1, 3], "data": [[[0, 1], 2]]},
        {"datatype": "UINT8", "shape": [1, 1, 3], "data": [0.5, 1, 2]},
        {"datatype": "UINT8", "shape": [1, 1, 4], "data": [1, 2, 3, 4]},
        {"datatype": "UINT8", "shape": [-1, -1, 3], "data": [1, 2, 3]},
    ],
)
def test_wrong_tensors(server: Server, change: dict[str, Any]) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [""], **change}
    answer = infer(server, tensor)
    assert answer.status == 400
    assert answer.json()["error"] == answer.json()["detail"]


def test_wrong_inference_requests(server: Server) -> None:
    assert server.post("/v2/models/mtcnn/infer", b"[" * 100_000, "application/json").status == 400
    assert server.post("/v2/models/other/infer", b"{}", "application/json").status == 404
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [""]}
    assert infer(server, tensor, outputs=[{"name": "faces"}]).status == 400
    assert infer(server, tensor).status == 422
    assert infer(server, {**tensor, "shape": [5], "data": [""] * 5}).status == 413


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    answer = server.ask("GET", "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    for name in ("app.js", "api.js", "camera.js", "cards.js", "draw.js", "style.css", "icon.svg"):
        part = server.ask("GET", f"/page/{name}")
        assert part.status == 200
        assert part.headers["x-content-type-options"] == "nosniff"
        assert b"https://" not in part.body
        assert b"http://" not in part.body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"//" not in answer.body.partition(b"<body>")[0].replace(b"<!doctype html>", b"")
    assert server.ask("GET", "/page/..%2fapp.py").status == 404
    assert server.ask("GET", "/page/app.py").status == 404
