"""Faces as tables and files: what is written is read back exactly."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtcnn_fast import ConfigError, DataError, Faces, MissingExtraError, load_faces, save_faces
from mtcnn_fast.faces.formats import FORMS


def some(count: int, size: tuple[int, int] = (640, 480), seed: int = 0) -> Faces:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-20, 400, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 200, (count, 2))], axis=1)
    return Faces(boxes, rng.uniform(0.5, 1, count), rng.uniform(-5, 500, (count, 5, 2)), size)


ALBUM = {"a.jpg": some(3, seed=1), "sub/b.png": some(0, (33, 44)), "größe.jpg": some(1, (1000, 20), seed=2)}


def target(folder: Path, form: str) -> Path:
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed")
    return folder / {"parquet": "faces.parquet", "widerface": "faces.txt", "yolo": "labels"}.get(form, f"{form}.json")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Empty pictures of the album's sizes, where the readers look for sizes."""
    folder = tmp_path / "images"
    for name, faces in ALBUM.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", faces.image_size).save(folder / name)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_albums_are_read_back_exactly(form: str, tmp_path: Path, images: Path) -> None:
    path = target(tmp_path, form)
    save_faces(path, ALBUM, form=form)
    read = load_faces(path, form=form, images=images)
    if form == "yolo":
        # A label file has the image's name without its ending.
        read = {next(name for name in ALBUM if name.startswith(image + ".")): faces for image, faces in read.items()}
    assert read == ALBUM


@pytest.mark.parametrize("form", FORMS)
def test_one_image_is_read_back_exactly(form: str, tmp_path: Path) -> None:
    faces = some(2)
    path = target(tmp_path, form)
    faces.save(path, "photo.jpg", form=form)
    assert Faces.load(path, form=form, image_size=faces.image_size) == faces


def test_the_ending_chooses_the_form(tmp_path: Path) -> None:
    save_faces(tmp_path / "a.json", ALBUM)
    assert load_faces(tmp_path / "a.json") == ALBUM
    save_faces(tmp_path / "a.txt", ALBUM)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8").startswith("# a.jpg\n")
    save_faces(tmp_path / "labels", ALBUM)
    assert (tmp_path / "labels" / "sub" / "b.txt").read_text() == ""


def test_coco_is_what_its_readers_expect(tmp_path: Path) -> None:
    save_faces(tmp_path / "coco.json", ALBUM, form="coco")
    content = json.loads((tmp_path / "coco.json").read_text())
    assert [image["file_name"] for image in content["images"]] == list(ALBUM)
    first = content["annotations"][0]
    assert first["image_id"] == content["images"][0]["id"]
    np.testing.assert_allclose(first["bbox"], ALBUM["a.jpg"].xywh[0], rtol=1e-6)
    assert len(first["keypoints"]) == 15
    assert content["categories"][0]["keypoints"] == ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"]


def test_labels_without_scores_have_the_score_one(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_text("0 0.5 0.5 0.2 0.4 " + " ".join(["0.5"] * 10) + "\n")
    faces = Faces.load(tmp_path, form="yolo", image_size=(100, 50))
    np.testing.assert_allclose(faces.boxes, [[40, 15, 60, 35]])
    assert faces.scores.tolist() == [1]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.json", '[{"image": "a"}]'), ("a.txt", "1 2 3\n"), ("a.txt", "# a\n1 2 x 4\n")],
)
def test_files_that_are_no_faces(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises((DataError, ConfigError)):
        Faces.load(tmp_path / name, image_size=(5, 5))


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: there is no such file"):
        load_faces(tmp_path / "none.json")
    with pytest.raises(
        ConfigError, match="form must be one of json, parquet, coco, widerface, yolo, got the ending of"
    ):
        load_faces(tmp_path / "a.xml")
    with pytest.raises(ConfigError, match="got 'voc'"):
        save_faces(tmp_path / "a.json", ALBUM, form="voc")
    save_faces(tmp_path / "a.json", ALBUM)
    with pytest.raises(DataError, match="must hold the faces of one image, holds 3"):
        Faces.load(tmp_path / "a.json")
    save_faces(tmp_path / "a.txt", ALBUM)
    with pytest.raises(DataError, match="holds no image sizes"):
        load_faces(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"names the image 'a\.jpg', which is not in"):
        load_faces(tmp_path / "a.txt", images=tmp_path)
    with pytest.raises(ConfigError, match=r"text must be JSON that Faces\.to_json made, got 'nonsense'"):
        Faces.from_json("nonsense")


@given(st.integers(0, 5), st.integers(0, 2**32 - 1))
@pytest.mark.property
def test_json_text_is_read_back_exactly(count: int, seed: int) -> None:
    faces = some(count, seed=seed)
    assert Faces.from_json(faces.to_json()) == faces


TABLE = ["score", "x1", "y1", "x2", "y2"]


@pytest.mark.parametrize(
    ("package", "method"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")]
)
def test_tables(package: str, method: str) -> None:
    faces = some(3)
    if importlib.util.find_spec(package) is None:
        with pytest.raises(MissingExtraError, match=rf"Faces\.{method} needs {package}.*pip install {package}"):
            getattr(faces, method)()
        pytest.skip(f"{package} is not installed: only its error was tested")
    table = getattr(faces, method)("photo.jpg")
    names = list(table.columns if package != "pyarrow" else table.column_names)
    assert names[:6] == ["image", *TABLE]
    assert names[6:8] == ["left_eye_x", "left_eye_y"]
    assert len(names) == 16
    np.testing.assert_array_equal(np.asarray(table["x2"]), faces.boxes[:, 2])
    assert list(np.asarray(table["image"])) == ["photo.jpg"] * 3
    assert "image" not in (getattr(faces, method)().columns if package != "pyarrow" else faces.to_arrow().column_names)


def test_supervision() -> None:
    faces = some(2)
    if importlib.util.find_spec("supervision") is None:
        with pytest.raises(MissingExtraError, match="to_supervision needs supervision"):
            faces.to_supervision()
        pytest.skip("supervision is not installed: only its error was tested")
    found = faces.to_supervision()
    np.testing.assert_array_equal(found.xyxy, faces.boxes)
    np.testing.assert_array_equal(found.confidence, faces.scores)
    np.testing.assert_array_equal(found.data["landmarks"], faces.landmarks)
