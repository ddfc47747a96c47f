"""The interface of facenet-pytorch, as far as it needs no comparison with the real package."""

from __future__ import annotations

import copy
import importlib.util
import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtcnn_fast import ConfigError, Detector, ImageError, MissingExtraError, WeightsError
from mtcnn_fast._native import checked_threads
from support.data import PHOTO

torch = pytest.importorskip("torch", reason="facenet-pytorch needs torch")

from mtcnn_fast.compat.facenet_pytorch import MTCNN, InceptionResnetV1, PNet, extract_face, training  # noqa: E402
from mtcnn_fast.compat.facenet_pytorch.models import engine  # noqa: E402
from mtcnn_fast.compat.facenet_pytorch.models.inception_resnet_v1 import get_torch_home, load_weights  # noqa: E402
from mtcnn_fast.compat.facenet_pytorch.models.utils.detect_face import detect_face, save_img  # noqa: E402

pytestmark = pytest.mark.torch

needs_opencv = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="OpenCV, which cuts faces out of arrays, is not installed"
)


@pytest.fixture(scope="module")
def photo():
    return Image.open(PHOTO).convert("RGB").crop((120, 10, 380, 260))


@pytest.fixture
def mtcnn():
    return MTCNN()


def faces_of(image, **settings):
    """What the detector itself finds with the settings of this interface."""
    return Detector(border="clip", **settings).detect(np.asarray(image))


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def boxes_of(found):
    return None if found[0] is None else found[0].astype(np.float32)


def test_the_defaults_are_the_detectors_own(mtcnn, photo):
    found = mtcnn.detect(photo, landmarks=True)
    faces = faces_of(photo).sort_by("size")
    np.testing.assert_array_equal(boxes_of(found), faces.boxes)
    np.testing.assert_array_equal(found[1].astype(np.float32), faces.scores)
    np.testing.assert_array_equal(found[2].astype(np.float32), faces.landmarks)


def test_every_setting_is_read_at_each_call(mtcnn, photo):
    mtcnn.detect(photo)
    mtcnn.min_face_size = 35
    mtcnn.thresholds = [0.5, 0.5, 0.4]
    mtcnn.factor = 0.6
    mtcnn.select_largest = False
    faces = faces_of(photo, min_face_size=35, thresholds=(0.5, 0.5, 0.4), factor=0.6)
    np.testing.assert_array_equal(boxes_of(mtcnn.detect(photo)), faces.boxes)
    mtcnn.thresholds[2] = 0.9999999
    assert mtcnn.detect(photo)[0] is None
    mtcnn.thresholds[2] = 0.7
    for name, value, shape in (("image_size", 64, (3, 64, 64)), ("keep_all", True, (1, 3, 64, 64))):
        setattr(mtcnn, name, value)
        assert mtcnn(photo).shape == shape
    mtcnn.post_process = False
    assert mtcnn(photo).max() > 100
    before = mtcnn(photo)
    mtcnn.margin = 30
    assert not torch.equal(mtcnn(photo), before)


def test_settings_that_are_not_accepted(mtcnn, photo):
    for name, value, message in (
        ("min_face_size", 0, "min_face_size must be"),
        ("factor", 1.5, "factor must be"),
        ("thresholds", [0.5, 0.5], "thresholds must be"),
    ):
        before = getattr(mtcnn, name)
        setattr(mtcnn, name, value)
        with pytest.raises(ConfigError, match=message):
            mtcnn.detect(photo)
        setattr(mtcnn, name, before)
    mtcnn.selection_method = "nicest"
    with pytest.raises(ConfigError, match=r"method must be one of 'probability', .* got 'nicest'"):
        mtcnn(photo)


@pytest.mark.parametrize("change", ["in place", "data", "state", "parameter", "network"])
def test_changed_weights_are_used(mtcnn, photo, change):
    assert mtcnn.detect(photo)[0] is not None
    bias = mtcnn.onet.dense6_1.bias
    if change == "in place":
        with torch.no_grad():
            bias += torch.tensor([50.0, -50.0])
    elif change == "data":
        bias.data.copy_(torch.tensor([50.0, -50.0]))
    elif change == "state":
        state = mtcnn.state_dict()
        state["onet.dense6_1.bias"] = torch.tensor([50.0, -50.0])
        mtcnn.load_state_dict(state)
    elif change == "parameter":
        mtcnn.onet.dense6_1.bias = torch.nn.Parameter(torch.tensor([50.0, -50.0]))
    else:
        mtcnn.pnet = PNet(pretrained=False)
        with torch.no_grad():
            mtcnn.pnet.conv4_1.bias += torch.tensor([50.0, -50.0])
    assert mtcnn.detect(photo)[0] is None


def test_networks_of_another_form_are_refused(mtcnn, photo):
    mtcnn.rnet.dense4 = torch.nn.Linear(576, 99)
    with pytest.raises(WeightsError, match=r"rnet must have the parameters of R-Net .* dense4.weight \(99, 576\)"):
        mtcnn.detect(photo)


def test_weights_that_are_not_finite_are_refused(mtcnn, photo):
    with torch.no_grad():
        mtcnn.onet.conv1.weight[0] = float("nan")
    with pytest.raises(WeightsError, match=r"onet has values in 'conv1\.weight' that are not finite"):
        mtcnn.detect(photo)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_types_of_parameters(mtcnn, photo, dtype):
    expected = mtcnn.detect(photo)
    found = mtcnn.to(dtype).detect(photo)
    np.testing.assert_allclose(boxes_of(found), boxes_of(expected), atol=0.01 if dtype == torch.float64 else 5)
    assert mtcnn(photo).dtype == torch.float32


def test_copies_and_pickles_have_their_own_weights(mtcnn, photo):
    expected = mtcnn.detect(photo)
    copies = [copy.deepcopy(mtcnn), pickle.loads(pickle.dumps(mtcnn))]
    file = io.BytesIO()
    torch.save(mtcnn, file)
    file.seek(0)
    copies.append(torch.load(file, weights_only=False))
    with torch.no_grad():
        mtcnn.onet.dense6_1.bias += torch.tensor([50.0, -50.0])
    assert mtcnn.detect(photo)[0] is None
    for each in copies:
        np.testing.assert_array_equal(each.detect(photo)[0], expected[0])


def test_an_engine_lives_as_long_as_its_network(photo):
    before = len(engine._ENGINES)
    mtcnn = MTCNN()
    mtcnn.detect(photo)
    assert len(engine._ENGINES) == before + 1
    del mtcnn
    assert len(engine._ENGINES) == before


def test_devices(photo):
    assert MTCNN().device == torch.device("cpu")
    assert MTCNN(device="cpu").device == "cpu"
    meta = MTCNN(device="meta")
    assert next(meta.parameters()).device.type == "meta"


def test_the_number_of_threads_is_torchs(mtcnn, photo):
    networks = mtcnn.pnet, mtcnn.rnet, mtcnn.onet
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert engine.detector_for(*networks).config.num_threads == (1 if checked_threads(None) > 1 else None)
        expected = mtcnn.detect(photo)
        torch.set_num_threads(1000)
        assert engine.detector_for(*networks).config.num_threads is None
        np.testing.assert_array_equal(mtcnn.detect(photo)[0], expected[0])
    finally:
        torch.set_num_threads(before)


def test_the_networks_output_is_that_of_the_modules(mtcnn):
    x = torch.zeros(2, 3, 48, 48)
    boxes, points, probs = mtcnn.onet(x)
    assert (boxes.shape, points.shape, probs.shape) == ((2, 4), (2, 10), (2, 2))
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(2))
    assert not mtcnn.pnet.training
    assert mtcnn.training
    assert PNet(pretrained=False).conv1.weight.shape == (10, 3, 3, 3)


@needs_opencv
def test_images_of_several_sizes_and_kinds(mtcnn, photo):
    array = np.array(photo)
    blank = Image.new("RGB", (90, 70))
    batch = [photo, blank, ImageOps.mirror(photo).crop((0, 0, 250, 240)), array[5:], torch.as_tensor(array[:, 3:])]
    boxes, probs, points = mtcnn.detect(batch, landmarks=True)
    for i, image in enumerate(batch):
        alone = mtcnn.detect(image, landmarks=True)
        assert (alone[0] is None) == (i == 1)
        if i != 1:
            np.testing.assert_array_equal(boxes[i], boxes_of(alone))
            np.testing.assert_array_equal(points[i], alone[2].astype(np.float32))
            assert list(probs[i]) == list(alone[1])
    faces, chosen = mtcnn(batch, return_prob=True)
    for i, image in enumerate(batch):
        alone = mtcnn(image, return_prob=True)
        assert chosen[i][0] == alone[1]
        assert faces[i] is None if i == 1 else torch.equal(faces[i], alone[0])
    assert chosen.shape == (5, 1)


@needs_opencv
def test_choosing_by_centre_on_arrays_and_tensors(photo):
    mtcnn = MTCNN(selection_method="center_weighted_size")
    expected = mtcnn(photo)
    for image in (np.array(photo), torch.as_tensor(np.array(photo))):
        assert mtcnn(image).shape == expected.shape
        box = mtcnn.select_boxes(*mtcnn.detect(image, landmarks=True), image, method="center_weighted_size")[0]
        assert box.shape == (1, 4)


def test_the_probability_of_the_chosen_face_is_its_own(photo):
    boxes = np.array([[0, 0, 90, 90], [0, 0, 50, 50], [0, 0, 70, 70]], np.float32)
    probs = np.array([0.8, 0.95, 0.99], np.float32)
    points = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    box, prob, point = MTCNN().select_boxes(boxes, probs, points, photo, method="largest_over_threshold")
    np.testing.assert_array_equal(box, boxes[[2]])
    assert prob == probs[2]
    np.testing.assert_array_equal(point, points[[2]])
    found = MTCNN().select_boxes(boxes, probs, points, photo, method="largest_over_threshold", threshold=0.995)
    assert found == (None, None, None)


def test_empty_batches(mtcnn):
    assert mtcnn([]) == []
    assert [values.shape for values in mtcnn.detect([], landmarks=True)] == [(0,)] * 3
    blank = Image.new("RGB", (90, 70))
    assert mtcnn([blank, blank], return_prob=True)[0] == [None, None]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_modes_of_pil_images(mtcnn, photo, mode):
    assert mtcnn(photo.convert(mode)).shape == (3, 160, 160)


def test_a_pil_image_is_not_turned(mtcnn, photo):
    turned = photo.copy()
    turned.getexif()[0x0112] = 6
    np.testing.assert_array_equal(mtcnn.detect(turned)[0], mtcnn.detect(photo)[0])


def test_images_too_small_for_a_face(mtcnn):
    assert mtcnn(Image.new("RGB", (8, 8))) is None


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 60, 60), np.uint8), "channels first"),
        (np.full((60, 60, 3), 256, np.int64), "from 256 to 256"),
        (np.full((60, 60, 3), np.nan), "not finite"),
        (np.zeros(5, np.uint8), "shape"),
        ("photo.jpg", "image"),
    ],
)
def test_what_is_no_image(mtcnn, image, message):
    with pytest.raises(ImageError, match=message):
        mtcnn.detect(image)


@needs_opencv
def test_half_precision_images(mtcnn, photo):
    array = np.array(photo)
    expected = boxes_of(mtcnn.detect(photo))
    for image in (array.astype(np.float16), torch.as_tensor(array).bfloat16(), torch.as_tensor(array).half()):
        np.testing.assert_allclose(boxes_of(mtcnn.detect(image)), expected, atol=1)
        assert mtcnn(image).shape == (3, 160, 160)


@needs_opencv
def test_integers_are_cut_like_bytes(photo):
    array = np.array(photo)
    box = [20, 20, 200, 210]
    expected = extract_face(array, box)
    assert torch.equal(extract_face(array.astype(np.int64), box), expected)
    assert torch.equal(extract_face(np.ascontiguousarray(array[:, :, ::-1])[:, :, ::-1], box), expected)


@needs_opencv
def test_files_of_faces(mtcnn, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, image in enumerate((photo, np.array(photo), torch.as_tensor(np.array(photo)))):
        mtcnn.post_process = False
        face = mtcnn(image, save_path=f"{i}.png")
        np.testing.assert_array_equal(read(f"{i}.png"), face.permute(1, 2, 0).numpy())
    mtcnn([photo, photo], save_path=[None, Path("folder/b.jpg")])
    assert (tmp_path / "folder" / "b.jpg").exists()
    save_img(np.zeros((4, 4, 3)), tmp_path / "zeros.png")
    assert read(tmp_path / "zeros.png").shape == (4, 4, 3)


def test_paths_and_boxes_must_be_as_many_as_images(mtcnn, photo):
    with pytest.raises(ConfigError, match="save_path must be a list of as many paths as the 2 images"):
        mtcnn([photo, photo], save_path="one.png")
    with pytest.raises(ConfigError, match="batch_boxes must be as many as the 2 images, got 1"):
        mtcnn.extract([photo, photo], [None], None)


def test_a_margin_without_room_for_the_face(photo):
    with pytest.raises(ConfigError, match="margin must be below image_size=60, got 60"):
        extract_face(photo, [10, 10, 90, 90], 60, 60)


def test_cutting_arrays_needs_opencv(photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match="pip install opencv-python-headless"):
        extract_face(np.array(photo), [10, 10, 90, 90])
    assert extract_face(photo, [10, 10, 90, 90]).shape == (3, 160, 160)


def test_detection_without_the_module(mtcnn, photo):
    networks = mtcnn.pnet, mtcnn.rnet, mtcnn.onet
    boxes, points = detect_face(photo, 20, *networks, [0.6, 0.7, 0.7], 0.709, "cpu")
    faces = faces_of(photo)
    assert (boxes.shape, points.shape) == ((1, len(faces), 5), (1, len(faces), 5, 2))
    np.testing.assert_array_equal(boxes[0].astype(np.float32), np.column_stack([faces.boxes, faces.scores]))


def test_resnet_from_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert get_torch_home() == str(tmp_path)
    path = tmp_path / "checkpoints" / "20180402-114759-vggface2.pt"
    with pytest.raises(WeightsError, match=r"no weights at .*vggface2\.pt', and nothing is downloaded here: put https"):
        InceptionResnetV1(pretrained="vggface2")
    path.parent.mkdir()
    stored = InceptionResnetV1(classify=True, num_classes=8631)
    torch.save(stored.state_dict(), path)
    loaded = InceptionResnetV1(pretrained="vggface2", device="cpu").eval()
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        embedding = loaded(x)
        stored.classify = False
        assert torch.equal(embedding, stored.eval()(x))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    assert InceptionResnetV1(pretrained="vggface2", classify=True).eval()(x).shape == (2, 8631)
    assert InceptionResnetV1(pretrained="vggface2", classify=True, num_classes=5).eval()(x).shape == (2, 5)
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="has no weights of this network"):
        InceptionResnetV1(pretrained="vggface2")


def test_the_folder_of_torchs_cache(monkeypatch):
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert get_torch_home() == str(Path("/somewhere/torch"))
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert get_torch_home() == str(Path("~/.cache/torch").expanduser())


def test_arguments_of_the_resnet():
    with pytest.raises(ConfigError, match="pretrained must be one of 'vggface2', 'casia-webface' or None"):
        InceptionResnetV1(pretrained="imagenet")
    with pytest.raises(ConfigError, match="num_classes must be given"):
        InceptionResnetV1(classify=True)
    with pytest.raises(ConfigError, match="name must be one of"):
        load_weights(torch.nn.Linear(1, 1), "imagenet")


def test_timing_batches():
    assert training.BatchTimer()([1, 2, 3], None) > 0
    assert training.BatchTimer(rate=False, per_sample=False)([1], None) >= 0
    assert training.collate_pil([("a", 1), ("b", 2)]) == (["a", "b"], [1, 2])


class Writer:
    """What an epoch asks of tensorboard's writer."""

    def __init__(self):
        self.iteration, self.interval, self.written = 0, 2, []

    def add_scalars(self, name, values, step):
        self.written.append((name, list(values), step))


def test_an_epoch_writes_what_it_measures(capsys):
    model = torch.nn.Linear(2, 2)
    loader = [(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)) for _ in range(3)]
    writer = Writer()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    metrics = {"accuracy": training.accuracy}
    arguments = model, torch.nn.CrossEntropyLoss(), loader, optimizer, None, metrics
    training.pass_epoch(*arguments, writer=writer)
    assert writer.written == [(name, ["Train"], step) for step in (0, 2) for name in ("loss", "accuracy")]
    assert writer.iteration == 3
    model.eval()
    loss, means = training.pass_epoch(*arguments, writer=writer)
    assert writer.written[4:] == [("loss", ["Valid"], 3), ("accuracy", ["Valid"], 3)]
    assert loss > 0
    assert set(means) == {"accuracy"}
    assert "Valid |     3/3    | loss:" in capsys.readouterr().out
