"""Networks that are trained together do as networks that are trained alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training import losses  # noqa: E402
from mtcnn_fast.training.ablations import stacked_layers as layers  # noqa: E402
from mtcnn_fast.training.ablations.stacked_losses import overall_losses  # noqa: E402
from mtcnn_fast.training.ablations.stacked_networks import StackedONets  # noqa: E402
from mtcnn_fast.training.ablations.stacked_samples import (  # noqa: E402
    DeviceSamples,
    augmented,
    normalised,
    samples_of,
)
from mtcnn_fast.training.ablations.stacked_training import (  # noqa: E402
    ARMS,
    StackedOptions,
    StackedTraining,
)
from mtcnn_fast.training.batches import Sampler, network_input  # noqa: E402
from mtcnn_fast.training.losses import Outputs, Targets  # noqa: E402
from mtcnn_fast.training.samples import SampleKind  # noqa: E402
from mtcnn_fast.training.samples.augment import AugmentOptions, augment, draw  # noqa: E402
from mtcnn_fast.training.soft.augmentation import UNCHANGED, window_batch  # noqa: E402
from mtcnn_fast.training.soft.window_set import Windows  # noqa: E402
from mtcnn_fast.training.stage_networks import StageNetwork  # noqa: E402

CPU = torch.device("cpu")


def made_windows(count, seed=0):
    """Windows of noise around one face each, by turns of each kind and of none."""
    rng = np.random.default_rng(seed)
    corners = np.float32([10, 20, 57, 67]) + rng.integers(0, 9, (count, 1)).astype(np.float32)
    overlap = np.resize(np.float32([0.0, 0.9, 0.5, -1.0, 0.35, 0.1, 0.7, 0.4]), count)
    faces = corners + rng.uniform(-5, 5, (count, 4)).astype(np.float32)
    faces[overlap == 0] = np.nan
    points = rng.uniform(20, 60, (count, 5, 2)).astype(np.float32)
    points[overlap == 0.5] = np.nan
    return Windows(
        rng.integers(0, 256, (count, 48, 48, 3), np.uint8),
        corners,
        faces,
        points,
        overlap,
        np.ones(count, np.float32),
        np.arange(count),
        np.zeros(count, np.int64),
    )


def trained(seeds=(0, 1), **changes):
    """Training on made samples, with its first minibatches in place."""
    options = StackedOptions(seeds=seeds, steps=6, every=2, batch_size=28, **changes)
    made = StackedTraining(
        samples_of(made_windows(240))[0], samples_of(made_windows(80, 1))[0], options, CPU, torch.float32
    )
    made.fill(range(2), 6)
    return made


class TestLayers:
    @pytest.mark.parametrize(("channels", "side", "size"), [(4, 3, 9), (8, 2, 5), (16, 3, 7)])
    def test_convolutions_agree(self, channels, side, size):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(3, 6, size, size, channels, generator=generator, requires_grad=True)
        weight = torch.randn(3, 5, channels, side, side, generator=generator, requires_grad=True)
        found = layers.convolve_together(x, weight)
        expected = layers.convolve_apart(x, weight)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        weights = torch.randn(found.shape, generator=generator)
        for one, other in zip(
            torch.autograd.grad((found * weights).sum(), (x, weight)),
            torch.autograd.grad((expected * weights).sum(), (x, weight)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)

    def test_gradient_of_weights_in_parts(self):
        rows, gradient = torch.randn(2, 8 * 1024, 8), torch.randn(2, 8, 32, 32, 3)
        found = layers._weight_gradient(rows, gradient)
        expected = rows.transpose(1, 2) @ gradient.reshape(2, -1, 3)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


class TestNetworks:
    def test_outputs_are_those_of_each(self):
        stacked = StackedONets((3, 4), CPU, torch.float32)
        images = torch.randint(0, 256, (2, 5, 48, 48, 3), dtype=torch.uint8)
        outputs = stacked.outputs(torch.stack([normalised(part, torch.float32) for part in images]))
        for place, seed in enumerate((3, 4)):
            expected = StageNetwork("o", seed=seed)(network_input(images[place]))
            for found, wanted in zip(outputs, expected, strict=True):
                torch.testing.assert_close(found[place], wanted, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("way", [layers.convolve_together, layers.convolve_apart])
    def test_gradients_are_those_of_each(self, way):
        stacked = StackedONets((3, 4), CPU, torch.float32)
        stacked.ways = [way] * 4
        images = torch.randint(0, 256, (2, 5, 48, 48, 3), dtype=torch.uint8)
        given = torch.stack([normalised(part, torch.float32) for part in images])
        total = sum(part.square().sum() for part in stacked.outputs(given))
        (gradient,) = torch.autograd.grad(total, [stacked.values])
        for place, seed in enumerate((3, 4)):
            network = StageNetwork("o", seed=seed)
            sum(part.square().sum() for part in network(network_input(images[place]))).backward()
            found = stacked.parameters(gradient)
            for name, parameter in network.net.named_parameters():
                scale = float(parameter.grad.abs().max())
                torch.testing.assert_close(found[name][place], parameter.grad, rtol=1e-3, atol=1e-4 * scale)

    def test_slopes_before_a_pooling_stay_at_zero_and_above(self):
        stacked = StackedONets((0,), CPU, torch.float32)
        with torch.no_grad():
            stacked.values -= 1
        stacked.keep_slopes()
        found = stacked.tensors(0)
        assert float(found["prelu1.weight"].min()) == 0
        assert float(found["prelu4.weight"].max()) < 0
        assert float(found["conv1.bias"].max()) == -1


class TestSamples:
    def test_kinds(self):
        samples, which = samples_of(made_windows(8))
        negative, positive, part, landmark = SampleKind
        assert which.tolist() == [0, 1, 2, 3, 5, 6, 7]
        assert samples.kinds.tolist() == [negative, positive, part, landmark, negative, positive, part]

    def test_targets_are_those_of_the_detector(self):
        windows = made_windows(40)
        samples, which = samples_of(windows)
        batch = window_batch(windows, UNCHANGED, np.random.default_rng(0), torch.float32)
        boxed = np.isin(samples.kinds, (SampleKind.POSITIVE, SampleKind.PART))
        np.testing.assert_allclose(samples.boxes[boxed], batch.boxes.numpy()[which][boxed], atol=1e-6)
        marked = samples.kinds == SampleKind.LANDMARK
        found = DeviceSamples.put(samples, CPU).targets().landmarks.numpy()[marked]
        np.testing.assert_allclose(found, batch.landmarks.numpy()[which][marked], atol=1e-6)

    def test_augmentation_is_that_of_the_loop(self):
        samples, _ = samples_of(made_windows(64))
        draws = draw(len(samples.kinds), (5,))
        expected = augment(samples, draws, AugmentOptions(gray=0.5))
        found = augmented(DeviceSamples.put(samples, CPU), torch.from_numpy(draws), AugmentOptions(gray=0.5))
        # A half may round the other way.
        off = np.abs(found.images.numpy() - expected.images)
        assert off.max() <= 1
        assert (off > 0).mean() < 1e-3
        for one, other in zip(found[1:], expected[1:], strict=True):
            np.testing.assert_allclose(one.numpy(), other, atol=1e-6)

    def test_every_sample_of_an_epoch_once(self):
        sampler = Sampler({SampleKind.NEGATIVE: np.arange(10, 17)}, {SampleKind.NEGATIVE: 7}, (0,))
        taken = sampler.table(range(3))
        assert [sorted(epoch) for epoch in taken.tolist()] == [list(range(10, 17))] * 3
        assert len({tuple(epoch) for epoch in taken.tolist()}) > 1

    def test_minibatches_in_one_go_or_several(self):
        pools = {kind: np.arange(20) + 100 * kind for kind in SampleKind}
        sizes = {SampleKind.NEGATIVE: 3, SampleKind.LANDMARK: 2}
        whole, parts = (Sampler(pools, sizes, (7,)) for _ in range(2))
        table = whole.table(range(9))
        np.testing.assert_array_equal(table, np.concatenate([parts.table(range(4)), parts.table(range(4, 9))]))
        assert (whole.table(range(9, 10)) // 100).tolist() == [[0, 0, 0, 3, 3]]
        # The minibatches of a single step are the same, but mixed.
        assert [sorted(row) for row in table.tolist()] == [sorted(parts.indices(step)) for step in range(9)]


class TestTraining:
    def test_variants_of_a_seed_see_the_same(self):
        made = trained()
        images, targets = made.minibatch()
        kinds = targets.kinds.view(10, 28)
        place = {name: number for number, name in enumerate(made.names)}
        for seed in (0, 1):
            on, off, again, ja, no_ja = (place[name, seed] for name in ARMS)
            assert torch.equal(images[on], images[off])
            assert torch.equal(images[ja], images[no_ja])
            assert not torch.equal(images[on], images[ja])
            faces = kinds[on] == SampleKind.POSITIVE
            assert torch.equal(images[on][faces], images[again][faces])
            assert not torch.equal(images[on], images[again])
        assert not torch.equal(images[place["JA", 0]], images[place["JA", 1]])
        assert [(kinds[1] == kind).sum() for kind in SampleKind] == [21, 7, 0, 0]
        assert [(kinds[3] == kind).sum() for kind in SampleKind] == [12, 4, 4, 8]

    def test_losses_are_those_of_one_network(self):
        made = trained()
        images, targets = made.minibatch()
        outputs = made.networks.outputs(images)
        found = made.network_losses(outputs, targets)
        for place, (name, _) in enumerate(made.names):
            own = Targets(*(part.unflatten(0, (10, 28))[place] for part in targets))
            each = losses.sample_losses(Outputs(*(part[place] for part in outputs)), own)
            share = 0.7 if name in ("with mining", "JA", "No JA") else 1.0
            hard = losses.hard_examples(each.detection, each.in_detection, share)
            expected = losses.overall_loss(each, hard, ARMS[name].alpha, 28)
            assert int(made.kept[place]) == int(hard.sum())
            torch.testing.assert_close(found[place], expected)

    def test_mining_leaves_out_the_lowest_losses(self):
        in_detection = torch.tensor([True, True, False, True, True] * 2)
        detection = torch.tensor([1.0, 2.0, 0.0, 4.0, 8.0, 1.0, 1.0, 0.0, 1.0, 16.0], requires_grad=True)
        nothing = torch.zeros(10, dtype=torch.bool)
        found = losses.SampleLosses(detection, None, None, in_detection, nothing, nothing)
        each = overall_losses(found, 2, torch.tensor([2, 3]), torch.tensor([[1.0, 0, 0], [0.5, 0, 0]]))
        assert each.tolist() == pytest.approx([12 / 5, 0.5 * 18 / 5])
        each.sum().backward()
        assert detection.grad.tolist() == pytest.approx([0, 0, 0, 0.2, 0.2, 0.1, 0.1, 0, 0, 0.1])

    def test_a_step_is_one_of_adam(self):
        made = trained(seeds=(2,))
        images, targets = made.minibatch()
        network = StageNetwork("o", seed=2)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
        made.step()
        place = made.names.index(("JA", 2))
        own = Targets(*(part.unflatten(0, (5, 28))[place] for part in targets))
        outputs = network(images[place][..., :3].permute(0, 3, 1, 2))
        each = losses.sample_losses(outputs, own)
        hard = losses.hard_examples(each.detection, each.in_detection, 0.7)
        losses.overall_loss(each, hard, ARMS["JA"].alpha, 28).backward()
        optimizer.step()
        for name, value in made.networks.tensors(place).items():
            expected = network.net.state_dict()[name]
            # The first step of Adam is the sign of a gradient, which rounding decides where it is next to zero.
            assert float(((value - expected).abs() > 1e-4).float().mean()) < 0.01, name

    def test_run(self, capsys):
        made = trained(decay=0.5)
        before = [made.networks.tensors(place) for place in range(10)]
        assert made.run() == 6
        assert [row["step"] for row in made.rows] == [step for step in (0, 2, 4, 6) for _ in range(10)]
        assert all(np.isfinite([row["detection"], row["box"], row["accuracy"]]).all() for row in made.rows)
        by_name = dict(zip(made.names, (made.networks.tensors(place) for place in range(10)), strict=True))
        for (name, _), old, new in zip(made.names, before, by_name.values(), strict=True):
            assert not torch.equal(old["conv1.weight"], new["conv1.weight"])
            assert torch.equal(old["dense6_3.weight"], new["dense6_3.weight"]) == (name != "JA")
        said = capsys.readouterr().out
        assert "bootstrapping, round 2" in said
        assert "bootstrapping, round 3" in said
        assert made._rate_of(0, 6) == made._rate_of(3, 6) == 0.001
        assert made._rate_of(5, 6) == pytest.approx(0.001 / 3)

    def test_time_ends_it(self):
        made = trained(seconds=1e-9)
        assert made.run() == 0

    def test_the_first_steps_are_forgotten(self):
        """What is done to measure the speed leaves no trace."""
        one, other = trained(), trained()
        other.seconds_a_step()
        for each in (one, other):
            each.fill(range(2, 4), 6)
            each.step()
        assert torch.equal(one.networks.values, other.networks.values)
        assert dataclasses.asdict(one.options) == dataclasses.asdict(other.options)
