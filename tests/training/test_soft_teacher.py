"""The teacher of the soft-label recipe: what it tells, and what a network learns from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.errors import ConfigError  # noqa: E402
from mtcnn_fast.images import load_image  # noqa: E402
from mtcnn_fast.nets.modules import ONet, RNet  # noqa: E402
from mtcnn_fast.ops import crop_pad_resize  # noqa: E402
from mtcnn_fast.training.soft.augmentation import UNCHANGED, window_batch  # noqa: E402
from mtcnn_fast.training.soft.forward import features, heads, initialise  # noqa: E402
from mtcnn_fast.training.soft.loop import REFRESH, train_windows  # noqa: E402
from mtcnn_fast.training.soft.objective import decoded, paired_iou  # noqa: E402
from mtcnn_fast.training.soft.options import BalanceOptions, TeacherOptions  # noqa: E402
from mtcnn_fast.training.soft.teacher import Teacher  # noqa: E402
from mtcnn_fast.training.soft.warp_options import WarpOptions  # noqa: E402
from mtcnn_fast.training.soft.window_set import Windows, WindowSet  # noqa: E402
from mtcnn_fast.training.stage_networks import initial_network  # noqa: E402
from support.data import PHOTO  # noqa: E402
from support.soft_windows import OPTIONS, batch, squares  # noqa: E402

ASTRONAUT = np.array([170, 62, 279, 171], np.float32)
POINTS = np.array([[205, 101], [247, 104], [225, 129], [202, 139], [245, 142]], np.float32)


def portraits(count: int, shift: float, size: int = 48) -> WindowSet:
    """The astronaut's face in so many windows, half of a list of landmarks, with labels so far down."""
    crops, _ = crop_pad_resize(load_image(PHOTO), ASTRONAUT[None], size)
    image = (crops[0].transpose(1, 2, 0) * 128 + 127.5).round().astype(np.uint8)
    columns = (
        np.tile(ASTRONAUT, (count, 1)),
        np.tile(np.array([181, 62, 268, 172], np.float32), (count, 1)),
        np.tile(POINTS + np.array([0, shift], np.float32), (count, 1, 1)),
        np.where(np.arange(count) % 2 == 0, 0.8, -1).astype(np.float32),
        np.zeros(count, np.float32),
        np.arange(count, dtype=np.int64),
        np.zeros(count, np.int64),
    )
    images = np.tile(image, (count, 1, 1, 1))
    return WindowSet([images], Windows(images[:0], *columns))


def places(landmarks: torch.Tensor) -> np.ndarray:
    """Return landmarks of the astronaut's windows in pixels of the image."""
    return np.asarray(landmarks.reshape(-1, 2, 5).transpose(1, 2).numpy() * 110 + ASTRONAUT[:2] - 1)


def test_the_teacher_tells_landmarks_of_large_windows_that_show_a_face() -> None:
    known = portraits(2, shift=0)
    teacher = Teacher(ONet(), known, TeacherOptions(weights="shipped", share=1), torch.float32)
    (face, _) = window_batch(known.take(np.arange(2)), UNCHANGED, np.random.default_rng(0), torch.float32).images
    images = torch.stack([face, face, face, face, torch.zeros_like(face)])
    side = torch.tensor([110.0, 110, 30, 110, 110])[:, None].repeat(1, 2)
    # By hand, small, beside the face, and a window in which the teacher sees none: their landmarks are unknown.
    found = teacher.taught(batch([0.8, -1.0, 0.8, 0.2, 0.8], images=images, widths=side))
    assert found.taught.tolist() == [True, False, False, False, False]
    assert found.landmarks[1:].isnan().all()
    np.testing.assert_allclose(places(found.landmarks)[0], POINTS, atol=6)


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_labels_are_moved_to_where_the_teacher_puts_the_points(shift: float) -> None:
    """Wherever annotators put them: what is left is how one label differs from the others."""
    known = portraits(8, shift)
    known.rows.points[[2, 3], 0] += 3
    teacher = Teacher(ONet(), known, TeacherOptions(weights="shipped", share=0.5), torch.float32)
    shown = window_batch(known.take(np.arange(8)), UNCHANGED, np.random.default_rng(0), torch.float32)
    plain = Teacher(ONet(), known, TeacherOptions(weights="shipped", share=1), torch.float32).taught(shown)
    found = teacher.taught(shown)
    assert found.taught.tolist() == [True, False] * 4
    told, mixed = places(plain.landmarks), places(found.landmarks)
    np.testing.assert_allclose(mixed[[0, 1]], told[[0, 0]], atol=1)
    np.testing.assert_allclose(mixed[2] - mixed[0], [[1.5, 1.5], *[[0, 0]] * 4], atol=0.3)
    np.testing.assert_allclose(mixed[3] - mixed[1], [[3, 3], *[[0, 0]] * 4], atol=0.5)


def test_the_teacher_is_asked_before_a_window_is_turned() -> None:
    """It knows upright faces only; what it says is turned with the face."""
    known = portraits(16, shift=0)
    options = WarpOptions(flip=0.5, warp=1, rotation=70, zoom=0.05, shift=0.02, cover=0)
    windows = known.take(np.arange(0, 16, 2))
    shown = window_batch(windows, options, np.random.default_rng(2), torch.float32, upright=True)
    teacher = Teacher(ONet(), known, TeacherOptions(weights="shipped", share=1, boxes=1), torch.float32)
    apart = {}
    for name, asked in (("before", shown), ("after", shown._replace(upright=None, turns=None))):
        found = teacher.taught(asked)
        apart[name] = (found.landmarks - shown.landmarks).abs().max(dim=1).values.numpy() * found.taught.numpy()
        if name == "before":
            assert found.taught.all()
            iou = paired_iou(decoded(found.boxes, shown.widths), decoded(shown.boxes, shown.widths))
            assert iou.min() > 0.75
    assert apart["before"].max() < 0.07
    assert apart["after"].max() > 0.1


def test_pseudo_labels_that_do_not_agree_with_the_teacher_are_passed_over() -> None:
    known = portraits(8, shift=0)
    known.rows.points[2] += 40
    teacher = Teacher(ONet(), known, TeacherOptions(weights="shipped"), torch.float32)
    shown = window_batch(known.take(np.arange(8)), UNCHANGED, np.random.default_rng(0), torch.float32)
    told = places(teacher.taught(shown).landmarks)
    np.testing.assert_allclose(told[2], told[0], atol=0.05)


def test_a_network_learns_from_the_teacher() -> None:
    known, learned = portraits(40, shift=0), {}
    known.rows.points[::2] = np.nan
    for weights in ("none", "shipped"):
        net = ONet()
        initialise(net, 0)
        teacher = TeacherOptions(weights=weights)  # type: ignore[arg-type]
        balance = BalanceOptions(size=0, image=0, landmark_share=0)
        options = dataclasses.replace(OPTIONS, steps=2 * REFRESH, teacher=teacher, warp=UNCHANGED, balance=balance)
        train_windows(net, known, None, options, None, shown=False)
        shown = window_batch(known.take(np.arange(1)), UNCHANGED, np.random.default_rng(0), torch.float32)
        with torch.inference_mode():
            found = heads(net, features(net, shown.images)).landmarks
        assert found is not None
        learned[weights] = np.abs(places(found)[0] - POINTS).max()
    assert learned["shipped"] < 8 < learned["none"]


@pytest.mark.parametrize("net", [RNet, ONet])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_teachers_boxes_are_mixed_with_the_labels(net: type[RNet | ONet], share: float) -> None:
    """Where it sees the face: not where the label lies elsewhere, and not in a window without a face."""
    known = portraits(3, shift=0, size=24 if net is RNet else 48)
    options = TeacherOptions(weights="shipped", boxes=share)
    shown = window_batch(known.take(np.arange(3)), UNCHANGED, np.random.default_rng(0), torch.float32)
    shown.boxes[1] += 0.6
    shown.images[2] = 0
    shipped = initial_network("r" if net is RNet else "o", "shipped", "corner", landmarks=False).net
    with torch.inference_mode():
        told = heads(shipped, features(shipped, shown.images)).boxes
    assert told is not None
    found = Teacher(net(), known, options, torch.float32).taught(shown).boxes
    np.testing.assert_allclose(found[0], (1 - share) * shown.boxes[0] + share * told[0], atol=1e-6)
    np.testing.assert_array_equal(found[1:], shown.boxes[1:])
    assert (told[0] - shown.boxes[0]).abs().max() > 0.01


def test_a_network_without_landmarks_learns_boxes_of_a_teacher_or_nothing() -> None:
    options = dataclasses.replace(OPTIONS, teacher=TeacherOptions(weights="shipped"))
    with pytest.raises(ConfigError, match=r"teacher\.boxes must be greater than 0 for networks without landmarks"):
        train_windows(RNet(), squares(40), None, options, None, shown=False)


def test_boxes_of_small_windows_are_those_annotated() -> None:
    """Landmarks, for whose sake boxes stay, matter on large faces."""
    known = portraits(2, shift=0, size=24)
    shown = window_batch(known.take(np.arange(2)), UNCHANGED, np.random.default_rng(0), torch.float32)
    smallest = float(shown.widths[0, 0])
    for least, same in ((smallest, False), (smallest + 1, True)):
        options = TeacherOptions(weights="shipped", boxes=1, smallest=least)
        found = Teacher(RNet(), known, options, torch.float32).taught(shown).boxes
        assert torch.equal(found, shown.boxes) == same
