"""The stand-in and the real facenet-pytorch, side by side: the same values, shapes, types and Nones.

Boxes and landmarks may differ by rounding in the networks, and where two candidates tie (docs/semantics.md, Contracts).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from mtcnn_fast.backends import create_backend
from mtcnn_fast.compat.detectors import usable_device
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import load_weights
from support.data import PHOTO
from support.facenet import real_package
from support.golden import compare

torch = pytest.importorskip("torch", reason="facenet-pytorch needs torch")

from mtcnn_fast.compat import facenet_pytorch as ours  # noqa: E402
from mtcnn_fast.compat.facenet_pytorch.models.selection import METHODS  # noqa: E402

pytestmark = [pytest.mark.torch]

#: Largest difference of a pixel coordinate or a probability that the networks' rounding makes.
TOLERANCE = 5e-3

#: Large faces take a fraction of the time.
QUICK = {"min_face_size": 40, "thresholds": [0.6, 0.7, 0.6]}


@pytest.fixture(scope="module")
def real():
    pytest.importorskip("cv2", reason="facenet-pytorch cuts faces out of arrays by OpenCV")
    return real_package()


@pytest.fixture(scope="module")
def photo():
    return Image.open(PHOTO).convert("RGB").crop((120, 10, 380, 260))


@pytest.fixture(scope="module")
def group(photo):
    """Three faces of different sizes."""
    picture = Image.new("RGB", (440, 300), (90, 110, 130))
    face = photo.crop((30, 10, 190, 210))
    for x, width in ((5, 110), (125, 200), (340, 80)):
        picture.paste(face.resize((width, width * 5 // 4)), (x, 10))
    return picture


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def assert_same(found, expected):
    """Compare results of any nesting: the kinds, the shapes and types of arrays, the values nearly."""
    assert type(found) is type(expected)
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        if expected.dtype == object:
            assert_same(list(found.flat), list(expected.flat))
        else:
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    elif isinstance(expected, torch.Tensor):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    elif isinstance(expected, (float, np.floating)):
        assert found == pytest.approx(expected, abs=TOLERANCE)
    else:
        assert found == expected


def both(real, block):
    """Run a block on the stand-in and on the real package, and compare what it returns."""
    assert_same(block(ours), block(real))


def test_all_kinds_of_image_agree(real, photo):
    def block(package):
        mtcnn = package.MTCNN(device=torch.device("cpu"), **QUICK)
        array = np.array(photo)
        kinds = photo, array, torch.as_tensor(array), array.astype(np.float32), torch.as_tensor(array).double()
        return [[mtcnn.detect(kind, landmarks=True), mtcnn(kind, return_prob=True)] for kind in kinds]

    both(real, block)


def test_batches_of_all_kinds_agree(real, photo):
    def block(package):
        mtcnn = package.MTCNN(**QUICK)
        array = np.array(photo)
        pair = np.stack([array, array[:, ::-1]])
        batches = [photo, ImageOps.mirror(photo)], (photo,), [array, array], pair, torch.as_tensor(pair)
        return [[mtcnn.detect(batch, landmarks=True), mtcnn(batch, return_prob=True)] for batch in batches]

    both(real, block)


def test_batches_with_different_numbers_of_faces_agree(real, group):
    def block(package):
        blank = Image.new("RGB", group.size)
        half = group.copy()
        half.paste((90, 110, 130), (0, 0, 120, 300))
        mtcnn = package.MTCNN(keep_all=True, **QUICK)
        batches = [group, half], [group, blank], [blank, blank], [blank], [half, blank, group]
        return [[mtcnn.detect(batch, landmarks=True), mtcnn(batch, return_prob=True)] for batch in batches]

    both(real, block)


def test_selection_agrees(real, group):
    def block(package):
        found = []
        for select_largest in (True, False):
            mtcnn = package.MTCNN(select_largest=select_largest, **QUICK)
            found.append([mtcnn.selection_method, mtcnn.detect(group), mtcnn(group, return_prob=True)])
            for method in METHODS:
                mtcnn.selection_method = method
                found.append([mtcnn(group, return_prob=True), mtcnn([group, group])])
        return found

    both(real, block)


def test_saving_all_faces_agrees(real, group, tmp_path):
    def block(package):
        folder = tmp_path / package.__name__
        path = folder / "deep" / "face.png"
        faces = package.MTCNN(keep_all=True, **QUICK, margin=20, image_size=120)(group, save_path=str(path))
        names = sorted(path.name for path in path.parent.iterdir())
        return [faces, names, [read(path.parent / name) for name in names]]

    both(real, block)


def test_double_precision_agrees(real, group):
    def block(package):
        mtcnn = package.MTCNN(keep_all=True, **QUICK).double()
        return [mtcnn.detect(group, landmarks=True), mtcnn(group)]

    both(real, block)


def test_lists_of_paths_agree(real, group, tmp_path):
    def block(package):
        folder = tmp_path / package.__name__
        paths = [str(folder / "a.png"), str(folder / "b" / "c.png")]
        faces = package.MTCNN(keep_all=True, **QUICK)([group, group], save_path=paths)
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
        return [faces, names, [read(folder / name) for name in names]]

    both(real, block)


def test_no_face_agrees(real):
    def block(package):
        blank = Image.new("RGB", (300, 200))
        found = []
        for keep_all in (False, True):
            mtcnn = package.MTCNN(keep_all=keep_all)
            found.append([mtcnn.detect(blank), mtcnn.detect(blank, landmarks=True)])
            found.append([mtcnn(blank), mtcnn(blank, return_prob=True)])
        return found

    both(real, block)


def test_modules_agree(real):
    theirs, mine = real.MTCNN(), ours.MTCNN()
    expected = theirs.state_dict()
    found = mine.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert [name for name, _ in mine.named_children()] == [name for name, _ in theirs.named_children()]
    assert [p.requires_grad for p in mine.parameters()] == [p.requires_grad for p in theirs.parameters()]
    for name, shape in (("pnet", (2, 3, 40, 33)), ("rnet", (5, 3, 24, 24)), ("onet", (3, 3, 48, 48))):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        for one, other in zip(getattr(mine, name)(x), getattr(theirs, name)(x), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    mine.load_state_dict(expected)


def test_small_functions_agree(real):
    x = torch.rand((3, 20, 20), generator=torch.Generator().manual_seed(2)) * 255
    for name in ("prewhiten", "fixed_image_standardization"):
        for image in (x, torch.full((3, 5, 5), 7.0)):
            torch.testing.assert_close(getattr(ours, name)(image), getattr(real, name)(image), rtol=0, atol=0)


def test_resnets_agree(real):
    """The same seed gives the same parameters, so the same embedding; and names fit both ways."""
    x = torch.randn((2, 3, 160, 160), generator=torch.Generator().manual_seed(3))
    for arguments in ({}, {"classify": True, "num_classes": 7, "dropout_prob": 0.2}):
        results = []
        for package in (ours, real):
            torch.manual_seed(4)
            network = package.InceptionResnetV1(**arguments).eval()
            with torch.no_grad():
                results.append((network, network(x)))
        (mine, found), (theirs, expected) = results
        assert list(mine.state_dict()) == list(theirs.state_dict())
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_epochs_agree(real, capsys):
    def block(package):
        torch.manual_seed(5)
        model = torch.nn.Linear(4, 3)
        data = torch.utils.data.TensorDataset(torch.randn(20, 4), torch.randint(0, 3, (20,)))
        loader = torch.utils.data.DataLoader(data, batch_size=8)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        loss = torch.nn.CrossEntropyLoss()
        metrics = {"accuracy": package.training.accuracy}
        results = []
        for train in (True, False):
            model.train(train)
            for running in (True, False):
                results.append(package.training.pass_epoch(model, loss, loader, optimizer, scheduler, metrics, running))
                results.append(capsys.readouterr().out)
        return [results, model.weight.detach(), optimizer.param_groups[0]["lr"]]

    both(real, block)


@st.composite
def pictures(draw):
    """One to three views of the photograph beside one another, turned, resized, darkened or brightened."""
    photo = Image.open(PHOTO).convert("RGB")
    views = []
    for _ in range(draw(st.integers(1, 3))):
        left, top = draw(st.integers(60, 190)), draw(st.integers(0, 70))
        view = photo.crop((left, top, left + draw(st.integers(90, 240)), top + draw(st.integers(120, 240))))
        width = draw(st.integers(60, 220))
        view = view.resize((width, max(30, width * view.height // view.width)))
        view = ImageOps.mirror(view) if draw(st.booleans()) else view
        views.append(
            ImageEnhance.Brightness(view.rotate(draw(st.integers(-25, 25)))).enhance(draw(st.floats(0.6, 1.3)))
        )
    picture = Image.new("RGB", (sum(view.width for view in views), max(view.height for view in views)), (70, 90, 80))
    left = 0
    for view in views:
        picture.paste(view, (left, 0))
        left += view.width
    return picture


def make_backend(config):
    return create_backend(usable_device("cpu"), config, load_weights(None))


def to_faces(boxes, probs, points, size):
    if boxes is None:
        return Faces.empty(size)
    return Faces(boxes.astype(np.float32), probs.astype(np.float32), points.astype(np.float32), size)


@pytest.mark.property
@settings(max_examples=30)
@given(
    picture=pictures(),
    min_face_size=st.integers(15, 60),
    thresholds=st.tuples(st.floats(0.4, 0.8), st.floats(0.4, 0.9), st.floats(0.3, 0.95)),
    factor=st.floats(0.5, 0.85),
    select_largest=st.booleans(),
    method=st.sampled_from(METHODS),
)
def test_detection_and_choice_agree(real, picture, min_face_size, thresholds, factor, select_largest, method):
    # The real one raises where no face of this size fits.
    assume(min(picture.size) >= min_face_size)
    settings = {"min_face_size": min_face_size, "thresholds": list(thresholds), "factor": factor}
    mine, theirs = (
        package.MTCNN(**settings, select_largest=select_largest, selection_method=method, device="cpu")
        for package in (ours, real)
    )
    expected = theirs.detect(picture, landmarks=True)
    found = mine.detect(picture, landmarks=True)
    config = DetectorConfig(**{**settings, "thresholds": thresholds}, border="clip")
    trace = make_backend(config).detect([np.array(picture)], trace=True)[0].trace
    reference = to_faces(*expected, picture.size)
    shim = to_faces(*found, picture.size)
    with_trace = Faces(shim.boxes, shim.scores, shim.landmarks, picture.size, trace=trace)
    tally = compare(make_backend, config, np.array(picture), with_trace, reference, "drawn")
    assert tally.misses == []
    assert tally.extras == []
    if expected[0] is None:
        assert_same(found, expected)
        return
    # The choice is a function of the faces: given the same ones, it is the same.
    chosen = mine.select_boxes(*expected, picture, method=method)
    if method == "largest_over_threshold" and chosen[0] is not None:
        # Theirs takes probability and landmarks of another face, where one below the threshold comes before.
        box = theirs.select_boxes(*expected, picture, method=method)[0]
        assert_same(chosen[0], box)
        index = [row.tolist() for row in expected[0]].index(box[0].tolist())
        assert_same(chosen[1], expected[1][index])
        assert_same(chosen[2], expected[2][[index]])
    else:
        assert_same(chosen, theirs.select_boxes(*expected, picture, method=method))
    if tally.matched == len(shim) and np.array_equal(shim.boxes.astype(int), reference.boxes.astype(int)):
        assert_same(found, expected)


@pytest.mark.property
@settings(max_examples=60)
@given(
    picture=pictures(),
    corners=st.lists(st.floats(-40, 250), min_size=4, max_size=4),
    image_size=st.integers(20, 200),
    margin=st.integers(0, 19),
    kind=st.sampled_from(["PIL", "array", "tensor"]),
)
def test_cutting_agrees(real, picture, corners, image_size, margin, kind):
    x, y = np.sort(corners[:2]), np.sort(corners[2:])
    box = np.array([x[0], y[0], x[1] + 2, y[1] + 2])
    if box[0] > picture.width - 3 or box[1] > picture.height - 3 or box[2] < 3 or box[3] < 3:
        return
    array = np.array(picture)
    image = {"PIL": picture, "array": array, "tensor": torch.as_tensor(array)}[kind]
    arguments = image, box, image_size, margin
    assert_same(ours.extract_face(*arguments), real.extract_face(*arguments))
