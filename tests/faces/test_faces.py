"""`Faces` and `Face` as containers: construction, checks, indexing, equality, immutability."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Face, Faces

SIZE = (640, 480)
BOXES = [[10, 20, 50, 80], [100, 100, 300, 300], [-5, -5, 15.5, 25.5]]
SCORES = [0.75, 0.9998, 0.875]
LANDMARKS = np.arange(30).reshape(3, 5, 2) + 0.25


@pytest.fixture
def faces() -> Faces:
    return Faces(BOXES, SCORES, LANDMARKS, SIZE, timings={"pnet": 0.5}, trace=["something"])


def test_attributes_have_the_documented_shapes_and_types(faces: Faces) -> None:
    for array, shape in ((faces.boxes, (3, 4)), (faces.scores, (3,)), (faces.landmarks, (3, 5, 2))):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert faces.image_size == SIZE
    assert faces.timings == {"pnet": 0.5}
    assert faces.trace == ["something"]


def test_no_faces_is_an_empty_result_of_the_right_shapes() -> None:
    for faces in (Faces.empty(SIZE), Faces([], [], [], SIZE)):
        assert (faces.boxes.shape, faces.scores.shape, faces.landmarks.shape) == ((0, 4), (0,), (0, 5, 2))
        assert {a.dtype for a in (faces.boxes, faces.scores, faces.landmarks)} == {np.dtype(np.float32)}
        assert len(faces) == 0
        assert list(faces) == []
        assert not faces
        assert faces.timings is None
        assert faces.trace is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((3, 5))}, r"boxes must be finite numbers of shape \(N, 4\), got shape \(3, 5\)"),
        ({"boxes": np.zeros(4)}, r"boxes must be .* got shape \(4,\)"),
        ({"boxes": np.zeros((0, 5))}, r"boxes must be .* got shape \(0, 5\)"),
        ({"boxes": [[1, 2, 3, 4], [1, 2]]}, "boxes must be .* makes no array"),
        ({"boxes": [["1", "2", "3", "4"]]}, r"boxes must be .* got <U1 \(list\)"),
        ({"boxes": np.zeros((3, 4), complex)}, "boxes must be .* got complex128"),
        ({"boxes": None}, "boxes must be .* got object"),
        ({"boxes": np.full((3, 4), 1e300)}, r"boxes must be finite .* got 1e\+300"),
        ({"scores": [[0.5]]}, r"scores must be finite numbers of shape \(N,\), got shape \(1, 1\)"),
        ({"scores": [0.5, np.nan, 0.5]}, "scores must be finite .* got nan"),
        ({"scores": [True, True, False]}, "scores must be .* got bool"),
        ({"landmarks": np.zeros((3, 10))}, r"landmarks must be .* \(N, 5, 2\), got shape \(3, 10\)"),
        ({"landmarks": np.full((3, 5, 2), -np.inf)}, "landmarks must be finite .* got -inf"),
        ({"scores": [0.5, 0.5]}, r"as many rows each, got \(3, 2, 3\)"),
        ({"image_size": (640,)}, r"image_size must be \(width, height\) in whole pixels, got \(640,\)"),
        ({"image_size": 640}, "image_size must be .* got 640"),
        ({"image_size": (640.0, 480)}, "image_size must be .* got"),
        ({"image_size": (True, 480)}, "image_size must be .* got"),
        ({"image_size": (640, -1)}, "image_size must be .* got"),
        ({"image_size": None}, "image_size must be .* got None"),
    ],
)
def test_what_is_not_accepted_is_named(change: dict[str, object], message: str) -> None:
    arguments = {"boxes": BOXES, "scores": SCORES, "landmarks": LANDMARKS, "image_size": SIZE, **change}
    with pytest.raises(ConfigError, match=message):
        Faces(**arguments)


def test_face_checks_its_arguments() -> None:
    face = Face([1, 2, 3, 4], 0.5, np.zeros((5, 2)))
    assert face.score == 0.5
    assert type(face.score) is float
    with pytest.raises(ConfigError, match=r"box must be finite numbers of shape \(4,\), got shape \(1, 4\)"):
        Face([[1, 2, 3, 4]], 0.5, np.zeros((5, 2)))
    with pytest.raises(ConfigError, match=r"score must be a finite number, got shape \(1,\)"):
        Face([1, 2, 3, 4], [0.5], np.zeros((5, 2)))
    with pytest.raises(ConfigError, match="score must be a finite number, got nan"):
        Face([1, 2, 3, 4], float("nan"), np.zeros((5, 2)))
    with pytest.raises(ConfigError, match=r"landmarks must be finite numbers of shape \(5, 2\)"):
        Face([1, 2, 3, 4], 0.5, np.zeros((4, 2)))


def test_numpy_integers_are_accepted_as_image_size() -> None:
    size = Faces.empty((np.int64(3), np.int32(4))).image_size
    assert size == (3, 4)
    assert [type(n) for n in size] == [int, int]


def test_arrays_are_copies_that_cannot_be_written_to() -> None:
    boxes = np.array(BOXES, np.float32)
    faces = Faces(boxes, SCORES, LANDMARKS, SIZE)
    boxes[0, 0] = 99
    assert faces.boxes[0, 0] == 10
    assert boxes.flags.writeable
    timings = {"pnet": 1.0}
    assert Faces([], [], [], SIZE, timings).timings is not timings
    for array in (faces.boxes, faces.scores, faces.landmarks, faces[0].box, faces[0].landmarks, faces[1:].boxes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_attributes_cannot_be_replaced(faces: Faces) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        faces.boxes = np.zeros((3, 4), np.float32)  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        faces[0].score = 1.0  # type: ignore[misc]


def test_iteration_yields_each_face(faces: Faces) -> None:
    found = list(faces)
    assert [type(face) for face in found] == [Face] * 3
    for i, face in enumerate(found):
        assert face == faces[i]
        np.testing.assert_array_equal(face.box, faces.boxes[i])
        np.testing.assert_array_equal(face.landmarks, faces.landmarks[i])
        assert face.score == faces.scores[i]


@pytest.mark.parametrize("index", [1, -2, np.int64(1), np.uint8(1), np.array(1)])
def test_integers_give_a_face(faces: Faces, index: int) -> None:
    face = faces[index]
    assert isinstance(face, Face)
    np.testing.assert_array_equal(face.box, [100, 100, 300, 300])


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (slice(5, 9), []),
        (np.array([True, False, True]), [0, 2]),
        ([False, False, True], [2]),
        (np.array([2, 0, 0, -2]), [2, 0, 0, 1]),
        (np.array([2, 1], np.uint8), [2, 1]),
        ([1], [1]),
        ([], []),
        (np.array([], bool)[:0], []),
    ],
)
def test_slices_masks_and_indices_give_faces(faces: Faces, index: object, rows: list[int]) -> None:
    chosen = faces[index]  # type: ignore[call-overload]
    assert isinstance(chosen, Faces)
    np.testing.assert_array_equal(chosen.boxes, faces.boxes[rows])
    np.testing.assert_array_equal(chosen.scores, faces.scores[rows])
    np.testing.assert_array_equal(chosen.landmarks, faces.landmarks[rows])
    assert chosen.image_size == SIZE
    assert chosen.timings == faces.timings
    assert chosen.trace is faces.trace


def test_a_comparison_of_scores_is_a_mask(faces: Faces) -> None:
    np.testing.assert_array_equal(faces[faces.scores > 0.8].scores, np.float32([0.9998, 0.875]))


@pytest.mark.parametrize("index", [3, -4, [0, 3], np.array([-4])])
def test_an_index_out_of_range_is_an_index_error(faces: Faces, index: object) -> None:
    with pytest.raises(IndexError, match=r"there is no row -?[34], only 3"):
        faces[index]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "index",
    [
        True,
        np.True_,
        (0, 1),
        1.0,
        [0.5],
        "0",
        None,
        [[0], [1]],
        [[0], [1, 2]],
        np.zeros((3, 4), bool),
        [True, False],
        [True] * 4,
    ],
    ids=repr,
)
def test_other_indices_are_refused(faces: Faces, index: object) -> None:
    with pytest.raises(
        ConfigError, match="index must be an integer, a slice, a mask of 3 booleans or a list of integers"
    ):
        faces[index]  # type: ignore[call-overload]


def test_equality_is_exact_and_ignores_timings_and_trace(faces: Faces) -> None:
    assert faces == Faces(BOXES, SCORES, LANDMARKS, SIZE)
    assert faces[0] == Face(BOXES[0], SCORES[0], LANDMARKS[0])
    nearly = np.nextafter(np.float32(10), np.float32(11))
    for other in (
        Faces([[nearly, 20, 50, 80], *BOXES[1:]], SCORES, LANDMARKS, SIZE),
        Faces(BOXES, [0.5, *SCORES[1:]], LANDMARKS, SIZE),
        Faces(BOXES, SCORES, LANDMARKS + 1, SIZE),
        Faces(BOXES, SCORES, LANDMARKS, (480, 640)),
        faces[:2],
        "faces",
    ):
        assert faces != other
    for other in (
        Face([nearly, 20, 50, 80], SCORES[0], LANDMARKS[0]),
        Face(BOXES[0], 0.5, LANDMARKS[0]),
        Face(BOXES[0], SCORES[0], LANDMARKS[1]),
        "face",
    ):
        assert faces[0] != other


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_equal_and_stay_read_only(faces: Faces, duplicate) -> None:
    other = duplicate(faces)
    assert other == faces
    assert other.timings == faces.timings
    assert other.trace == faces.trace
    assert not any(a.flags.writeable for a in (other.boxes, other.scores, other.landmarks))
    face = duplicate(faces[1])
    assert face == faces[1]
    assert not face.box.flags.writeable


def test_repr_is_readable(faces: Faces) -> None:
    assert repr(faces) == "Faces(3 faces in 640x480, best 0.9998)"
    assert repr(faces[:1]) == "Faces(1 face in 640x480, best 0.7500)"
    assert repr(Faces.empty(SIZE)) == "Faces(0 faces in 640x480)"
    assert repr(faces[0]) == "Face(40x60 at (10, 20), score 0.7500)"


def test_importing_faces_imports_nothing_heavy() -> None:
    code = (
        "import sys, numpy; import mtcnn_fast.faces; print(sorted({'PIL', 'torch', 'safetensors'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
