"""Training by the soft-label recipe: forward pass, losses, loops."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.errors import ConfigError, TrainingError  # noqa: E402
from mtcnn_fast.nets.modules import ONet, PNet, RNet  # noqa: E402
from mtcnn_fast.training.losses import Outputs  # noqa: E402
from mtcnn_fast.training.soft import loop  # noqa: E402
from mtcnn_fast.training.soft.augmentation import WindowBatch, window_batch  # noqa: E402
from mtcnn_fast.training.soft.forward import features, heads, initialise  # noqa: E402
from mtcnn_fast.training.soft.loop import REFRESH, train_windows  # noqa: E402
from mtcnn_fast.training.soft.metrics import average_precision, evaluate_windows  # noqa: E402
from mtcnn_fast.training.soft.objective import Losses, decoded, losses, paired_iou, soft_labels  # noqa: E402
from mtcnn_fast.training.soft.options import ObjectiveOptions, SoftOptions, TeacherOptions  # noqa: E402
from mtcnn_fast.training.soft.run import learning_rate  # noqa: E402
from mtcnn_fast.training.soft.warp_options import WarpOptions  # noqa: E402
from mtcnn_fast.training.soft.window_set import WindowSet  # noqa: E402
from support.soft_windows import OPTIONS, batch, squares  # noqa: E402

SIZES = {PNet: 20, RNet: 24, ONet: 48}


@pytest.mark.parametrize("kind", [PNet, RNet, ONet])
@pytest.mark.parametrize("negative", [False, True])
def test_the_fast_forward_pass_is_the_networks_own(kind: type[PNet | RNet | ONet], negative: bool) -> None:
    net = kind()
    initialise(net, 3)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.startswith("prelu"):
                value.uniform_(-0.4 if negative else 0, 0.5)
    images = torch.randn(5, 3, SIZES[kind], SIZES[kind])
    expected = net.features(images)
    torch.testing.assert_close(features(net, images), expected, rtol=1e-4, atol=1e-5)
    coarse = features(net, images.bfloat16())
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, expected, rtol=0.1, atol=0.1)


def test_gradients_of_the_fast_forward_pass_are_the_networks_own() -> None:
    net, images = RNet(), torch.randn(4, 3, 24, 24)
    initialise(net, 0)
    found = []
    for output in (net.features(images), features(net, images)):
        net.zero_grad()
        output.square().sum().backward()
        found.append([value.grad.clone() for value in net.parameters() if value.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def outputs(count: int, score: float = 0.0) -> Outputs:
    logits = torch.tensor([[0.0, score]]).repeat(count, 1).requires_grad_()
    return Outputs(logits, torch.zeros(count, 4, requires_grad=True), torch.zeros(count, 10, requires_grad=True))


def test_paired_iou_and_decoding() -> None:
    one = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1]])
    other = torch.tensor([[1.0, 1, 3, 3], [2, 2, 3, 3]])
    assert paired_iou(one, other).tolist() == pytest.approx([1 / 7, 0])
    # Of a window of 50 pixels, the last one is counted from 1: offsets of 0 stand for its corners.
    assert decoded(torch.zeros(1, 4), torch.tensor([[50.0, 25.0]]))[0].tolist() == pytest.approx([0, 0, 0.98, 0.96])


def test_labels_rise_along_the_ramp() -> None:
    overlap = torch.tensor([0.1, 0.5, 0.5])
    regressed = torch.tensor([0.9, 0.46, 0.9])
    of_window = soft_labels(overlap, regressed, ObjectiveOptions(label_of="window", ramp=(0.4, 0.6)))
    assert of_window.tolist() == pytest.approx([0, 0.5, 0.5])
    of_box = soft_labels(overlap, regressed, ObjectiveOptions(label_of="box", ramp=(0.4, 0.6)))
    # A window of background stays background, wherever its box may lie.
    assert of_box.tolist() == pytest.approx([0, 0.3, 1])


def test_what_is_not_known_of_a_window_costs_nothing() -> None:
    points = torch.full((2, 10), 0.5)
    made = outputs(2, score=3.0)
    found = losses(made, batch([-1.0, -1.0], landmarks=points), ObjectiveOptions())
    assert found.detection == 0
    assert found.box == 0
    assert found.error.tolist() == [0, 0]
    assert found.landmark > 0
    found.total.backward()
    assert made.logits.grad is not None
    assert (made.logits.grad == 0).all()


def test_boxes_of_windows_without_a_face_have_no_gradient() -> None:
    """Not even one that is no number, of a box that is turned inside out."""
    made = outputs(1)
    assert made.boxes is not None
    with torch.no_grad():
        made.boxes[0] = torch.tensor([0, 0, -0.01, 1])
    found = losses(made, batch([0.1], widths=torch.ones(1, 2)), ObjectiveOptions())
    found.total.backward()
    assert made.boxes.grad is not None
    assert (made.boxes.grad == 0).all()


def test_landmarks_made_by_hand_weigh_more_than_pseudo_labels() -> None:
    points = torch.full((1, 10), 0.5)
    options = ObjectiveOptions(point_weights=(1, 0.25))
    by_hand = losses(outputs(1), batch([-1.0], landmarks=points), options).landmark
    pseudo = losses(outputs(1), batch([0.8], landmarks=points), options).landmark
    far = losses(outputs(1), batch([0.3], landmarks=points), options).landmark
    assert pseudo.item() == pytest.approx(by_hand.item() / 4)
    assert far == 0


def test_a_teachers_landmarks_have_a_weight_of_their_own() -> None:
    points = torch.full((1, 10), 0.5)
    options = ObjectiveOptions(point_weights=(1, 0.25), taught_weight=0.5)
    by_hand = losses(outputs(1), batch([-1.0], landmarks=points), options).landmark
    taught = losses(outputs(1), batch([0.8], landmarks=points, taught=torch.tensor([True])), options).landmark
    assert taught.item() == pytest.approx(by_hand.item() / 2)


def test_average_precision_of_known_orders() -> None:
    right = np.array([True, False, True])
    assert average_precision(np.array([3.0, 2, 1]), right, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([3.0, 1, 2]), right, 2) == pytest.approx(1)
    # One more that was never proposed.
    assert average_precision(np.array([3.0, 1, 2]), right, 4) == pytest.approx(0.5)


def test_learning_rate_of_both_schedules() -> None:
    cosine = dataclasses.replace(OPTIONS, steps=100, warmup=10, learning_rate=1.0, schedule="cosine")
    level = dataclasses.replace(cosine, schedule="trapezoid", decay=0.5)
    assert learning_rate(cosine, 4) == pytest.approx(0.5)
    assert learning_rate(cosine, 50) == pytest.approx(0.5)
    assert learning_rate(level, 49) == pytest.approx(1)
    assert learning_rate(level, 75) == pytest.approx(0.5)


def test_it_learns() -> None:
    net = RNet()
    initialise(net, 0)
    held_out = squares(200, seed=1)
    before = evaluate_windows(net, held_out, OPTIONS.objective, torch.float32)
    result = train_windows(net, squares(400), held_out, OPTIONS, None, shown=False)
    assert result.history[0]["loss"] == pytest.approx(before["loss"], rel=1e-4)
    after = result.history[-1]
    assert after["loss"] < 0.6 * before["loss"]
    assert after["ap"] > 0.9
    assert after["box_iou"] > 0.8


def test_windows_on_a_device_are_the_same_windows() -> None:
    known, indices = WindowSet.concatenate([squares(30), squares(20, seed=1)]), np.array([49, 3, 3, 31])
    images = known.images_on(torch.device("cpu"))[torch.from_numpy(indices)]
    options = WarpOptions(cover=0.5)
    one = window_batch(known.take(indices), options, np.random.default_rng(0), torch.float32)
    other = window_batch(known.described(indices), options, np.random.default_rng(0), torch.float32, images)
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize("teacher", [TeacherOptions(), TeacherOptions(weights="shipped", boxes=0.5)])
def test_a_device_learns_alike(teacher: TeacherOptions, tmp_path: Path) -> None:
    """The first losses agree, whatever rounding makes of the later ones, and an interrupted run goes on."""
    known, held_out, rows = squares(400), squares(200, seed=1), {}
    for device in ("cpu", "cuda"):
        options = dataclasses.replace(OPTIONS, device=device, teacher=teacher, dropout=0, amp="off")
        net = RNet()
        initialise(net, 0)
        result = train_windows(net, known, held_out, options, tmp_path / device, shown=False)
        rows[device] = result.history
        assert all(value.device.type == "cpu" for value in net.parameters())
        again = train_windows(net, known, held_out, options, tmp_path / device, shown=False)
        assert again.steps == result.steps
    assert rows["cuda"][0]["loss"] == pytest.approx(rows["cpu"][0]["loss"], rel=1e-3)
    assert rows["cuda"][-1]["loss"] == pytest.approx(rows["cpu"][-1]["loss"], rel=0.2)


def test_a_device_that_is_not_there_is_an_error() -> None:
    options = dataclasses.replace(OPTIONS, device="cuda:99")
    with pytest.raises(ConfigError, match="device 'cuda:99' asks for CUDA device 99"):
        train_windows(RNet(), squares(40), None, options, None, shown=False)


def trained(options: SoftOptions, out: Path, held_out: WindowSet | None = None) -> dict[str, torch.Tensor]:
    """The weights that a training of R-Net on one processor ends with."""
    torch.set_num_threads(1)
    net = RNet()
    initialise(net, 0)
    train_windows(net, squares(200), held_out, options, out, shown=False)
    return net.state_dict()


def interrupt_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Make trainings end like one that is killed in a step."""
    real, calls = loop.losses, 0

    def interrupted(outputs: Outputs, batch: WindowBatch, options: ObjectiveOptions) -> Losses:
        nonlocal calls
        calls += 1
        if calls > steps:
            raise KeyboardInterrupt
        return real(outputs, batch, options)

    patch.setattr(loop, "losses", interrupted)


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = squares(40, seed=1)
    whole = trained(OPTIONS, tmp_path / "whole", held_out)
    with monkeypatch.context() as patch:
        interrupt_after(REFRESH + 7, patch)
        with pytest.raises(KeyboardInterrupt):
            trained(OPTIONS, tmp_path / "parts", held_out)
    again = trained(OPTIONS, tmp_path / "parts", held_out)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = [(tmp_path / folder / "validation.csv").read_text() for folder in ("whole", "parts")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_trapezoid_can_be_made_longer_until_it_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    short = dataclasses.replace(OPTIONS, schedule="trapezoid", decay=share, steps=2 * REFRESH)
    with monkeypatch.context() as patch:
        interrupt_after(REFRESH + 7, patch)
        with pytest.raises(KeyboardInterrupt):
            trained(short, tmp_path / "run")
    longer = dataclasses.replace(short, steps=3 * REFRESH, decay=0.4)
    if share == 0.9:
        # It had begun to fall, and can only end as it was to end.
        with pytest.raises(ConfigError, match="steps was 100"):
            trained(longer, tmp_path / "run")
        longer = short
    again, at_once = trained(longer, tmp_path / "run"), trained(longer, tmp_path / "at once")
    assert all(torch.equal(again[name], at_once[name]) for name in again)
    with pytest.raises(ConfigError, match="other settings"):
        trained(dataclasses.replace(longer, learning_rate=0.1), tmp_path / "run")


def test_a_loss_that_is_no_number_is_an_error() -> None:
    net = RNet()
    with torch.no_grad():
        net.dense5_1.bias.fill_(math.inf)
    with pytest.raises(TrainingError, match="R-Net: the loss of minibatch 0"):
        train_windows(net, squares(40), None, OPTIONS, None, name="R-Net", shown=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"schedule": "step"}, "schedule"),
        ({"average": 1.0}, "average"),
        ({"amp": "float16"}, "amp"),
        ({"teacher": "shipped"}, "teacher"),
        ({"objective": {}}, "objective"),
        ({"decay": 0.0}, "decay"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SoftOptions(**settings)  # type: ignore[arg-type]


def test_outputs_have_the_shape_of_the_networks() -> None:
    wanted = {PNet: [(2, 2, 5, 5), (2, 4, 5, 5)], RNet: [(2, 2), (2, 4)], ONet: [(2, 2), (2, 4), (2, 10)]}
    for kind, shapes in wanted.items():
        net = kind()
        found = heads(net, features(net, torch.zeros(2, 3, SIZES[kind], SIZES[kind])))
        assert [tuple(value.shape) for value in found if value is not None] == shapes
