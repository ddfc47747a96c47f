"""Similarity transforms, templates and the warp, on examples with known answers."""

import math

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Faces, alignment

ARCFACE = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])


def similarity(scale: float, degrees: float, tx: float, ty: float) -> np.ndarray:
    a, b = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[a, -b, tx], [b, a, ty]])


def blobs(points: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """An image with a round white spot at each point, a whole number being the centre of a pixel."""
    y, x = np.mgrid[: size[1], : size[0]]
    light = sum(np.exp(((x - px) ** 2 + (y - py) ** 2) / (-2 * sigma**2)) for px, py in points)
    return np.repeat(np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def centre_of_light(image: np.ndarray, near: np.ndarray, radius: int) -> np.ndarray:
    x0, y0 = np.rint(near).astype(int) - radius
    part = image[y0 : y0 + 2 * radius + 1, x0 : x0 + 2 * radius + 1, 0].astype(float)
    y, x = np.mgrid[: part.shape[0], : part.shape[1]]
    return np.array([(part * x).sum(), (part * y).sum()]) / part.sum() + [x0, y0]


@pytest.mark.parametrize(
    ("src", "dst", "expected"),
    [
        ([(0, 0), (1, 0)], [(5, 7), (6, 7)], [[1, 0, 5], [0, 1, 7]]),
        ([(0, 0), (1, 0)], [(0, 0), (0, 2)], [[0, -2, 0], [2, 0, 0]]),
        ([(1, 1), (2, 2), (4, 4)], [(-1, -1), (-2, -2), (-4, -4)], [[-1, 0, 0], [0, -1, 0]]),
    ],
    ids=["shift", "quarter turn and doubling", "half turn of collinear points"],
)
def test_estimate_similarity_on_known_transforms(src, dst, expected) -> None:
    matrix = alignment.estimate_similarity(src, dst)
    assert matrix.shape == (2, 3)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_estimate_similarity_does_not_reflect() -> None:
    mirrored = ARCFACE * [-1, 1] + [112, 0]
    matrix = alignment.estimate_similarity(ARCFACE, mirrored)
    assert np.linalg.det(matrix[:, :2]) > 0
    # A mirror image is nearly the same face here: left and right must not be swapped to fit it.
    assert np.abs(alignment.transform(matrix, ARCFACE) - mirrored).max() > 10


@pytest.mark.parametrize("factor", [1e-200, 1e-20, 1e20, 1e200])
def test_estimate_similarity_is_indifferent_to_the_unit(factor: float) -> None:
    expected = similarity(1.5, 30, 0, 0)
    moved = alignment.transform(expected, ARCFACE)
    matrix = alignment.estimate_similarity(ARCFACE * factor, moved * factor)
    np.testing.assert_allclose(matrix[:, :2], expected[:, :2], rtol=1e-9)


@pytest.mark.parametrize(
    ("src", "dst", "message"),
    [
        ([(3, 4)] * 5, ARCFACE, r"src must have at least two different points, got \[3.0, 4.0\] for all"),
        ([(0.1, 0.2)] * 5, ARCFACE, "src must have at least two different points"),
        ([(0, 0)] * 5, ARCFACE, "src must have at least two different points"),
        (ARCFACE, [(3, 4)] * 5, "dst must have at least two different points"),
        ([(0, 0)], [(0, 0)], "the same 2 or more points, got 1 and 1"),
        ([], [], "the same 2 or more points, got 0 and 0"),
        (ARCFACE, ARCFACE[:4], "the same 2 or more points, got 5 and 4"),
        (ARCFACE[:, 0], ARCFACE, r"src must be finite numbers of shape \(N, 2\), got shape \(5,\)"),
        (ARCFACE, np.full((5, 2), np.nan), "dst must be finite"),
        # A square and its mirror image: every rotation fits equally badly.
        ([(1, 1), (-1, 1), (-1, -1), (1, -1)], [(-1, 1), (1, 1), (1, -1), (-1, -1)], "src and dst must resemble"),
    ],
)
def test_estimate_similarity_refuses_what_has_no_answer(src, dst, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        alignment.estimate_similarity(src, dst)


def test_invert_gives_the_way_back() -> None:
    affine = np.array([[2.0, 1.0, -3.0], [0.5, -1.0, 40.0]])
    points = np.array([(0, 0), (10, -5), (3.5, 1e3)])
    there = alignment.transform(affine, points)
    np.testing.assert_allclose(there, [(-3, 40), (12, 50), (1004, -958.25)], rtol=1e-12)
    np.testing.assert_allclose(alignment.transform(alignment.invert(affine), there), points, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_invert_takes_any_scale(scale: float) -> None:
    matrix = similarity(scale, 77, 0, 0)
    np.testing.assert_allclose(alignment.invert(matrix)[:, :2], similarity(1 / scale, -77, 0, 0)[:, :2], rtol=1e-9)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), "matrix must be an invertible transform"),
        ([[1, 2, 0], [2, 4, 0]], "matrix must be an invertible transform"),
        (np.eye(3), r"matrix must be finite numbers of shape \(2, 3\), got shape \(3, 3\)"),
        ([[1, 0, np.nan], [0, 1, 0]], "matrix must be finite"),
    ],
)
def test_invert_refuses_what_has_no_inverse(matrix, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        alignment.invert(matrix)


def test_transform_checks_shapes() -> None:
    with pytest.raises(ConfigError, match=r"points must be finite numbers of shape \(N, 2\)"):
        alignment.transform(similarity(1, 0, 0, 0), [1, 2, 3])
    assert alignment.transform(similarity(1, 0, 0, 0), []).shape == (0, 2)


def test_the_arcface_template_is_the_published_one() -> None:
    np.testing.assert_array_equal(alignment.TEMPLATES["arcface"], ARCFACE)
    np.testing.assert_array_equal(alignment.template_points("arcface", 112), ARCFACE)
    np.testing.assert_allclose(alignment.template_points("arcface", 224), ARCFACE * 2)
    with pytest.raises(TypeError):
        alignment.TEMPLATES["arcface"] = ARCFACE  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        alignment.TEMPLATES["arcface"][0] = 0


def test_templates_of_ones_own_are_fractions_or_pixels() -> None:
    np.testing.assert_allclose(alignment.template_points(ARCFACE / 112, 224), ARCFACE * 2)
    np.testing.assert_array_equal(alignment.template_points(ARCFACE, 224), ARCFACE)
    outside = ARCFACE / 112 + [0.5, -0.6]
    np.testing.assert_allclose(alignment.template_points(outside, 100), outside * 100)
    np.testing.assert_array_equal(alignment.template_points(ARCFACE.tolist(), 10), ARCFACE)


@pytest.mark.parametrize(
    ("template", "size", "message"),
    [
        ("dlib", 112, r"template must be one of \['arcface'\] or \(5, 2\) points, got 'dlib'"),
        (ARCFACE[:4], 112, r"template must be finite numbers of shape \(5, 2\), got shape \(4, 2\)"),
        (None, 112, "template must be finite numbers"),
        ("arcface", 0, "size must be a whole number of at least 1, got 0"),
        ("arcface", 112.0, "size must be a whole number of at least 1, got 112.0"),
    ],
)
def test_template_points_refuses_others(template, size, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        alignment.template_points(template, size)


def test_warp_by_whole_pixels_copies_pixels() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(alignment.warp(image, similarity(1, 0, 0, 0), 20), image[:, :20])
    shifted = alignment.warp(image, similarity(1, 0, 3, -2), 20)
    np.testing.assert_array_equal(shifted[:18, 3:], image[2:, :17])
    assert not shifted[:, :3].any()
    assert not shifted[18:].any()
    # A quarter turn about pixel (0, 0): whole numbers are pixel centres, so nothing is lost and nothing blurs.
    turned = alignment.warp(image, similarity(1, 90, 19, 0), 20)
    np.testing.assert_array_equal(turned, np.rot90(image[:, :20], -1))


def test_warp_by_half_a_pixel_averages_neighbours_and_fades_to_black_at_the_edge() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, :2] = 100
    image[:, 2:] = 200
    row = alignment.warp(image, similarity(1, 0, 0.5, 0), 6)[0, :, 0]
    np.testing.assert_array_equal(row, [50, 100, 150, 200, 100, 0])


def test_warp_far_outside_is_black() -> None:
    image = np.full((5, 5, 3), 255, np.uint8)
    for shift in (-1e9, 5 + 1e-9, 1e300):
        assert not alignment.warp(image, similarity(1, 0, shift, 0), 5).any()
    one = alignment.warp(image[:1, :1], similarity(8, 0, 3, 4), 9)
    assert one[4, 3].tolist() == [255, 255, 255]
    assert one[4, 7].tolist() == [128, 128, 128]


def test_warp_agrees_with_pillow_inside_the_image() -> None:
    y, x = np.mgrid[:200, :200]
    image = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), (x + y) / 2], axis=2).astype(np.uint8)
    matrix = similarity(1.3, 25, -60, -80)
    inverse = alignment.invert(matrix)
    # Pillow's whole numbers are pixel edges: shift by half a pixel before and after.
    inverse[:, 2] += 0.5 - inverse[:, :2] @ [0.5, 0.5]
    theirs = Image.fromarray(image).transform(
        (100, 100), Image.Transform.AFFINE, inverse.ravel().tolist(), Image.Resampling.BILINEAR
    )
    corners = alignment.transform(alignment.invert(matrix), [(0, 0), (99, 0), (0, 99), (99, 99)])
    assert corners.min() > 1
    assert corners.max() < 198
    difference = alignment.warp(image, matrix, 100).astype(int) - np.asarray(theirs).astype(int)
    assert np.abs(difference).max() <= 1


def test_warp_checks_its_arguments() -> None:
    with pytest.raises(ConfigError, match="size must be"):
        alignment.warp(np.zeros((2, 2, 3), np.uint8), similarity(1, 0, 0, 0), -1)
    with pytest.raises(ConfigError, match="matrix must be an invertible transform"):
        alignment.warp(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3)), 4)


def test_alignment_matrix_moves_landmarks_onto_the_template() -> None:
    way_back = similarity(3.5, -40, 500, 300)
    landmarks = alignment.transform(way_back, ARCFACE)
    matrix = alignment.alignment_matrix(landmarks)
    assert np.abs(alignment.transform(matrix, landmarks) - ARCFACE).max() < 1e-4
    np.testing.assert_allclose(alignment.invert(matrix), way_back, rtol=1e-9, atol=1e-9)
    larger = alignment.alignment_matrix(landmarks, 224, ARCFACE / 112)
    assert np.abs(alignment.transform(larger, landmarks) - 2 * ARCFACE).max() < 1e-4


def test_alignment_matrix_checks_its_arguments() -> None:
    with pytest.raises(ConfigError, match=r"landmarks must be finite numbers of shape \(5, 2\)"):
        alignment.alignment_matrix(ARCFACE[:3])


@pytest.mark.parametrize("degrees", [0, 33, 180, -90])
@pytest.mark.parametrize("size", [112, 224])
def test_aligned_pixels_show_the_landmarks_on_the_template(degrees: float, size: int) -> None:
    landmarks = alignment.transform(similarity(2.0, degrees, 0, 0), ARCFACE - 56) + np.array([200.3, 210.7])
    image = blobs(landmarks, (400, 420), sigma=6)
    faces = Faces([[100, 100, 300, 300]], [1.0], landmarks[None], (400, 420))
    aligned = faces.align(image, size)
    assert aligned.shape == (1, size, size, 3)
    assert aligned.dtype == np.uint8
    for target in ARCFACE * (size / 112):
        found = centre_of_light(aligned[0], target, radius=8 * size // 112)
        # Half a pixel would be a wrong convention; what is left is the rounding of the pixels.
        assert np.abs(found - target).max() < 0.06


def test_align_stacks_the_faces_in_order() -> None:
    random = np.random.default_rng(2)
    image = random.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    landmarks = np.stack([ARCFACE, ARCFACE + np.array([20, 30]), ARCFACE * 0.9])
    faces = Faces(np.zeros((3, 4)), np.ones(3), landmarks, (200, 200))
    aligned = faces.align(image)
    np.testing.assert_array_equal(aligned[0], image[:112, :112])
    np.testing.assert_array_equal(aligned[1], faces[1:2].align(image)[0])
    np.testing.assert_array_equal(
        aligned[2], alignment.warp(image, alignment.alignment_matrix(faces.landmarks[2]), 112)
    )


def test_align_of_no_faces_is_empty() -> None:
    assert Faces.empty((9, 9)).align(np.zeros((9, 9, 3), np.uint8), 64).shape == (0, 64, 64, 3)


def test_align_names_the_face_that_cannot_be_aligned() -> None:
    faces = Faces(np.zeros((2, 4)), np.ones(2), np.stack([ARCFACE, np.full((5, 2), 7)]), (9, 9))
    with pytest.raises(ConfigError, match=r"landmarks\[1\] must allow an alignment with the template: src must have"):
        faces.align(np.zeros((9, 9, 3), np.uint8))


def test_align_of_collinear_landmarks_is_defined() -> None:
    line = np.column_stack([np.linspace(20, 60, 5), np.linspace(30, 80, 5)])
    aligned = Faces([[0, 0, 1, 1]], [1.0], line[None], (99, 99)).align(np.full((99, 99, 3), 200, np.uint8))
    assert aligned.max() == 200
