"""Each loss against values computed by hand, gradients against finite differences, and the choice of hard examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import steps as numpy_steps

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training import losses  # noqa: E402
from mtcnn_fast.training.losses import Outputs, Targets  # noqa: E402
from mtcnn_fast.training.samples import SampleKind  # noqa: E402
from mtcnn_fast.training.stage_networks import SIZES, StageNetwork  # noqa: E402

NEGATIVE, POSITIVE, PART, LANDMARK = SampleKind


def some(kinds, seed=0, dtype=torch.float32):
    """Random outputs and targets of samples of these kinds; outputs require gradients."""
    rng = torch.Generator().manual_seed(seed)
    n = len(kinds)
    outputs = Outputs(*(torch.randn(n, k, generator=rng, dtype=dtype).requires_grad_() for k in (2, 4, 10)))
    targets = Targets(
        torch.tensor([int(kind) for kind in kinds]),
        torch.randn(n, 4, generator=rng, dtype=dtype) / 10,
        torch.rand(n, 10, generator=rng, dtype=dtype),
    )
    return outputs, targets


def test_detection_loss_by_hand():
    logits = torch.tensor([[0.0, 0.0], [math.log(1), math.log(3)], [math.log(1), math.log(3)]])
    faces = torch.tensor([True, True, False])
    # p is 1/2, 3/4 and 3/4.
    expected = [-math.log(1 / 2), -math.log(3 / 4), -math.log(1 / 4)]
    np.testing.assert_allclose(losses.detection_losses(logits, faces).numpy(), expected, rtol=1e-6)


def test_detection_loss_stays_finite_where_the_probability_rounds_to_zero():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = losses.detection_losses(logits, torch.tensor([True]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(400)
    np.testing.assert_allclose(logits.grad.numpy(), [[1, -1]], atol=1e-6)


def test_squared_distances_by_hand():
    outputs = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.1, 0.0, 0.0, -0.2], [5.0, 5.0, 5.0, 5.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [math.nan, 0.0, 0.0, 0.0]])
    rows = torch.tensor([True, True, False])
    found = losses.squared_distances(outputs, targets, rows).numpy()
    np.testing.assert_allclose(found, [4 + 9 + 16, 0.01 + 0.04, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_are_float32_whatever_the_network_computes_in(dtype):
    logits = torch.tensor([[1.0, 2.0]], dtype=dtype)
    assert losses.detection_losses(logits, torch.tensor([1])).dtype == torch.float32
    boxes = torch.zeros(1, 4, dtype=dtype)
    assert losses.squared_distances(boxes, torch.ones(1, 4), torch.tensor([True])).dtype == torch.float32


def test_each_kind_takes_part_in_its_tasks_alone():
    outputs, targets = some([NEGATIVE, POSITIVE, PART, LANDMARK])
    found = losses.sample_losses(outputs, targets)
    assert found.in_detection.tolist() == [True, True, False, False]
    assert found.in_box.tolist() == [False, True, True, False]
    assert found.in_landmark.tolist() == [False, False, False, True]
    for loss, taking_part in (
        (found.detection, found.in_detection),
        (found.box, found.in_box),
        (found.landmark, found.in_landmark),
    ):
        assert (loss[taking_part] > 0).all()
        assert (loss[~taking_part] == 0).all()


def test_samples_that_do_not_take_part_have_no_gradient_even_with_unknown_targets():
    outputs, targets = some([NEGATIVE, POSITIVE, PART, LANDMARK] * 3)
    targets.landmarks[targets.kinds != LANDMARK] = math.nan
    targets.boxes[~losses.kind_mask(targets.kinds, losses.BOX_KINDS)] = math.nan
    found = losses.sample_losses(outputs, targets)
    losses.overall_loss(found, found.in_detection, (1.0, 0.5, 1.0), 12).backward()
    for output, taking_part in zip(outputs, (found.in_detection, found.in_box, found.in_landmark), strict=True):
        assert torch.isfinite(output.grad).all()
        assert (output.grad[taking_part] != 0).any(dim=1).all()
        assert (output.grad[~taking_part] == 0).all()


def test_the_overall_loss_by_hand():
    kinds = [NEGATIVE, POSITIVE, PART, LANDMARK, NEGATIVE]
    outputs, targets = some(kinds)
    found = losses.sample_losses(outputs, targets)
    hard = torch.tensor([True, True, True, True, False])
    alpha = (1.0, 0.5, 0.25)
    detection, box, landmark = found.detection.tolist(), found.box.tolist(), found.landmark.tolist()
    expected = (detection[0] + detection[1] + 0.5 * (box[1] + box[2]) + 0.25 * landmark[3]) / 5
    assert losses.overall_loss(found, hard, alpha, 5).item() == pytest.approx(expected, rel=1e-6)


def test_networks_without_heads_have_the_remaining_tasks():
    outputs, targets = some([NEGATIVE, POSITIVE, PART, LANDMARK])
    found = losses.sample_losses(outputs._replace(boxes=None, landmarks=None), targets)
    assert found.box is None
    assert found.landmark is None
    total = losses.overall_loss(found, found.in_detection, (2.0, 0.5, 1.0), 4)
    assert total.item() == pytest.approx(2 * found.detection.sum().item() / 4, rel=1e-6)


@pytest.mark.parametrize("keep", [0.7, 1.0])
@pytest.mark.parametrize("coding", ["corner", "rcnn"])
def test_gradients_against_finite_differences(keep, coding):
    outputs, targets = some([NEGATIVE, POSITIVE, PART, LANDMARK, NEGATIVE, NEGATIVE, POSITIVE], dtype=torch.float64)
    targets = targets._replace(boxes=losses.box_targets(targets.boxes, coding))

    def total(*parts):
        found = losses.sample_losses(Outputs(*parts), targets)
        hard = losses.hard_examples(found.detection, found.in_detection, keep)
        return losses.overall_loss(found, hard, (1.0, 0.5, 1.0), 7)

    assert torch.autograd.gradcheck(total, tuple(outputs), eps=1e-6, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("stage", ["p", "r", "o"])
def test_gradients_of_the_networks_against_finite_differences(stage):
    """Along random directions in the space of all parameters, through every layer and every loss."""
    network = StageNetwork(stage, seed=1).double()
    rng = torch.Generator().manual_seed(2)
    images = torch.rand(7, 3, SIZES[stage], SIZES[stage], generator=rng, dtype=torch.float64) * 2 - 1
    _, targets = some([NEGATIVE, POSITIVE, PART, LANDMARK, NEGATIVE, NEGATIVE, POSITIVE], dtype=torch.float64)

    def total():
        found = losses.sample_losses(network(images), targets)
        return losses.overall_loss(found, found.in_detection, (1.0, 0.5, 1.0), 7)

    parameters = list(network.parameters())
    gradient = torch.autograd.grad(total(), parameters)
    for _ in range(3):
        direction = [torch.randn(value.shape, generator=rng, dtype=torch.float64) for value in parameters]
        slope = sum(float((a * b).sum()) for a, b in zip(gradient, direction, strict=True))
        ends = []
        with torch.no_grad():
            for distance in (1e-8, -2e-8):
                torch._foreach_add_(parameters, direction, alpha=distance)
                ends.append(float(total()))
            torch._foreach_add_(parameters, direction, alpha=1e-8)
        assert (ends[0] - ends[1]) / 2e-8 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(("count", "kept"), [(10, 7), (20, 14), (100, 70), (1, 1), (2, 1), (3, 2), (448, 313)])
def test_seventy_percent_are_kept(count, kept):
    values = torch.rand(count, generator=torch.Generator().manual_seed(count))
    chosen = losses.hard_examples(values, torch.ones(count, dtype=torch.bool), 0.7)
    assert chosen.sum() == kept
    if kept < count:
        assert values[chosen].min() >= values[~chosen].max()


def test_hard_examples_are_chosen_among_the_candidates_alone():
    values = torch.tensor([9.0, 1.0, 8.0, 2.0, 7.0, 3.0])
    candidates = torch.tensor([False, True, False, True, False, True])
    assert losses.hard_examples(values, candidates, 0.7).tolist() == [False, False, False, True, False, True]
    assert not losses.hard_examples(values, torch.zeros(6, dtype=torch.bool), 0.7).any()


def test_of_equal_losses_the_first_are_kept():
    chosen = losses.hard_examples(torch.full((10,), 0.5), torch.ones(10, dtype=torch.bool), 0.7)
    assert chosen.tolist() == [True] * 7 + [False] * 3


def test_the_gradient_of_easy_samples_is_exactly_zero():
    kinds = [NEGATIVE] * 30 + [POSITIVE] * 10 + [PART] * 10 + [LANDMARK] * 20
    outputs, targets = some(kinds, seed=3)
    found = losses.sample_losses(outputs, targets)
    hard = losses.hard_examples(found.detection, found.in_detection, 0.7)
    losses.overall_loss(found, hard, (1.0, 0.0, 0.0), len(kinds)).backward()
    gradient = outputs.logits.grad
    # 28 of the 40 that are classified, and none of the others.
    assert int((gradient != 0).any(dim=1).sum()) == 28
    easy = found.in_detection & ~hard
    assert int(easy.sum()) == 12
    assert torch.equal(gradient[easy], torch.zeros(12, 2))
    assert found.detection[easy].max() <= found.detection[hard].min()
    assert torch.equal(gradient[~found.in_detection], torch.zeros(30, 2))


def test_mining_reaches_the_parameters():
    """An easy sample leaves no trace in a network's gradient: the same without it, apart from the denominator."""
    network = torch.nn.Linear(3, 2)
    images = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    kinds = torch.tensor([0, 1] * 5)

    def gradient(rows, keep):
        targets = Targets(kinds[rows], torch.zeros(len(rows), 4), torch.zeros(len(rows), 10))
        found = losses.sample_losses(Outputs(network(images[rows]), None, None), targets)
        hard = losses.hard_examples(found.detection, found.in_detection, keep)
        network.zero_grad()
        losses.overall_loss(found, hard, (1.0, 0.5, 0.5), 10).backward()
        return network.weight.grad.clone(), hard

    everything = torch.arange(10)
    mined, hard = gradient(everything, 0.7)
    without, _ = gradient(everything[hard], 1.0)
    torch.testing.assert_close(mined, without, rtol=0, atol=1e-7)


def test_box_targets_in_both_codings():
    # Window (10, 20, 30, 40), face (12, 19, 34, 37): offsets of the corners in sides of 20.
    corners = torch.tensor([[0.1, -0.05, 0.2, -0.15]])
    assert losses.box_targets(corners, "corner") is corners
    center = ((12 + 34) / 2 - 20) / 20, ((19 + 37) / 2 - 30) / 20
    size = math.log(22 / 20), math.log(18 / 20)
    np.testing.assert_allclose(losses.box_targets(corners, "rcnn").numpy(), [[*center, *size]], rtol=1e-5)


@pytest.mark.parametrize("extra", [0, 1])
def test_both_codings_are_decoded_by_the_detector_to_the_same_boxes(extra):
    rng = np.random.default_rng(1)
    corners = rng.uniform(-0.3, 0.3, (50, 4)).astype(np.float32)
    starts, sides = rng.integers(0, 100, (50, 2)), rng.integers(12, 80, (50, 1))
    windows = np.concatenate([starts, starts + sides - extra], axis=1).astype(np.float32)
    targets = losses.box_targets(torch.from_numpy(corners), "rcnn").numpy()
    expected = numpy_steps.regress(windows, corners, "corner", extra)
    np.testing.assert_allclose(numpy_steps.regress(windows, targets, "rcnn", extra), expected, atol=1e-4)


def test_ridge_by_hand_and_its_gradient():
    weight = torch.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True)
    value = losses.ridge([weight], 0.1)
    value.backward()
    assert value.item() == pytest.approx(0.1 * (1 + 4 + 9 + 0.25))
    np.testing.assert_allclose(weight.grad.numpy(), 0.2 * weight.detach().numpy(), rtol=1e-6)
