"""`train_network`: that it learns, goes on where it was, stops when it must, and writes down what it did."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from mtcnn_fast.errors import ConfigError, MissingExtraError, TrainingError

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training import StageNetwork, TrainOptions, evaluate_network, mining, train_network  # noqa: E402
from mtcnn_fast.training.losses import Outputs  # noqa: E402
from mtcnn_fast.training.samples import SampleKind, SampleSet  # noqa: E402
from mtcnn_fast.training.steps import learning_rate  # noqa: E402
from support.training import TinyNetwork, make_set  # noqa: E402

QUICK = TrainOptions(steps=60, batch_size=28, log_every=10, validate_every=20, checkpoint_every=20, threads=1)


class Stopped(Exception):  # noqa: N818
    """Raised in the middle of a run, as a signal would end it."""


class StoppingNetwork(TinyNetwork):
    """Stops the run when it has seen so many minibatches."""

    left = 10**9

    def forward(self, images):
        if self.training:
            self.left -= 1
            if self.left < 0:
                raise Stopped
        return super().forward(images)


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def train(network, options, out=None, validation=True, **settings):
    held_out = make_set(8, seed=9) if validation else None
    return train_network(network, make_set(30), held_out, options, out, shown=False, **settings)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("mining", ["online", "none", "offline"])
def test_every_way_of_training_learns(optimizer, mining):
    network = TinyNetwork()
    options = QUICK.replace(optimizer=optimizer, mining=mining, learning_rate=0.01)
    before = evaluate_network(network, make_set(8, seed=9), options)
    result = train(network, options)
    after = evaluate_network(network, make_set(8, seed=9), options)
    assert after["loss"] < 0.5 * before["loss"]
    assert after["accuracy"] > 0.95
    assert result.steps == 60
    assert min(result.history, key=lambda row: row["loss"])["step"] == result.best_step
    assert after["loss"] == pytest.approx(min(row["loss"] for row in result.history))


@pytest.mark.parametrize("box_coding", ["corner", "rcnn"])
def test_32_faces_are_learned_by_heart(box_coding):
    """And 32 samples of each other kind."""
    everything = make_set(32, size=24, seed=4)
    chosen = np.concatenate([everything.indices_of(kind)[:32] for kind in SampleKind])
    samples = everything.subset(chosen)
    network = StageNetwork("r", seed=1)
    options = TrainOptions(
        steps=150,
        batch_size=64,
        ratio=(1.0, 1.0, 1.0, 1.0),
        learning_rate=0.004,
        augment=False,
        threads=1,
        box_coding=box_coding,
    )
    assert evaluate_network(network, samples, options)["loss"] > 0.3
    train_network(network, samples, None, options, None, shown=False)
    found = evaluate_network(network, samples, options)
    assert found["accuracy"] == 1.0
    assert found["loss"] < 0.003


@pytest.mark.parametrize("mining", ["online", "offline"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("minibatches", [7, 29, 41])
def test_a_run_that_was_stopped_ends_bit_for_bit_alike(tmp_path, mining, optimizer, minibatches):
    options = QUICK.replace(mining=mining, optimizer=optimizer, rounds=2, learning_rate=0.003, warmup=5)
    uninterrupted = TinyNetwork()
    expected = train(uninterrupted, options, tmp_path / "one")

    stopping = StoppingNetwork()
    stopping.left = minibatches
    with pytest.raises(Stopped):
        train(stopping, options, tmp_path / "two")
    # As another process would go on: with a network that knows nothing.
    resumed = TinyNetwork(seed=99) if minibatches > 20 else TinyNetwork()
    found = train(resumed, options, tmp_path / "two")
    assert_equal_states(state(uninterrupted), state(resumed))
    assert (found.history, found.best_step) == (expected.history, expected.best_step)
    for name in ("training.csv", "validation.csv"):
        one, two = rows(tmp_path / "one" / name), rows(tmp_path / "two" / name)
        assert [row["step"] for row in one] == [row["step"] for row in two]
        for key in ("loss", "detection", "box", "landmark"):
            assert [row[key] for row in one] == [row[key] for row in two]


def test_a_finished_run_is_not_trained_again(tmp_path):
    network = TinyNetwork()
    first = train(network, QUICK, tmp_path)
    stopping = StoppingNetwork(seed=5)
    stopping.left = 0
    second = train(stopping, QUICK, tmp_path)
    assert_equal_states(state(network), state(stopping))
    assert second.history == first.history


def test_without_resume_it_begins_again(tmp_path):
    train(TinyNetwork(), QUICK, tmp_path)
    network = TinyNetwork()
    assert train(network, QUICK.replace(steps=20), tmp_path, resume=False).steps == 20
    assert [row["step"] for row in rows(tmp_path / "validation.csv")] == ["0", "20"]


def test_a_folder_of_another_run_is_refused(tmp_path):
    train(TinyNetwork(), QUICK, tmp_path)
    with pytest.raises(ConfigError, match=r"other settings \(learning_rate was 0.001 and is 0.1\)"):
        train(TinyNetwork(), QUICK.replace(learning_rate=0.1), tmp_path)
    with pytest.raises(ConfigError, match=r"other settings \(network was"):
        train_network(TinyNetwork(24), make_set(30, 24), make_set(8, 24), QUICK, tmp_path, shown=False)


def test_it_stops_early_and_keeps_the_best_weights(tmp_path):
    network = TinyNetwork()
    # Nothing ever gets better.
    options = QUICK.replace(steps=2000, validate_every=5, patience=3, learning_rate=0.0)
    initial = state(network)
    result = train(network, options, tmp_path)
    assert result.stopped_early
    # Three validations are no better than the one before any step.
    assert (result.steps, result.best_step) == (15, 0)
    assert_equal_states(initial, state(network))
    assert train(TinyNetwork(), options, tmp_path).steps == 15


def test_selecting_the_last_weights():
    """With weights that get worse, best and last differ."""
    results = {}
    for select in ("best", "last"):
        network = TinyNetwork()
        options = QUICK.replace(steps=80, validate_every=4, learning_rate=0.15, optimizer="sgd", schedule="constant")
        result = train(network, options.replace(select=select))
        results[select] = evaluate_network(network, make_set(8, seed=9), options)["loss"]
    losses = [row["loss"] for row in result.history]
    assert losses[-1] > min(losses)
    assert results == {"best": pytest.approx(min(losses)), "last": pytest.approx(losses[-1])}


def poisoned_set(index):
    """Samples of which one makes `BrokenNetwork` return no number."""
    samples = make_set(30)
    batch = samples.take(np.arange(len(samples)))
    images = batch.images.copy()
    images[:, 0, 0] = 10
    images[index, 0, 0] = 255
    return SampleSet.from_arrays(images, batch.kinds, batch.boxes, batch.landmarks)


class BrokenNetwork(TinyNetwork):
    def forward(self, images):
        outputs = super().forward(images)
        bad = (images[:, 0, 0, 0] > 0.9)[:, None]
        return Outputs(*(torch.where(bad, torch.nan, value) for value in outputs))


@pytest.mark.parametrize("kind", list(SampleKind))
def test_a_loss_that_is_no_number_stops_with_the_batch_named(tmp_path, kind):
    poison = int(make_set(30).indices_of(kind)[3])
    options = QUICK.replace(augment=False, threads=1)
    with pytest.raises(TrainingError) as caught:
        train_network(BrokenNetwork(), poisoned_set(poison), None, options, tmp_path, name="tiny", shown=False)
    report = json.loads((tmp_path / "not-finite.json").read_text())
    assert report["samples_with_such_losses"] == [poison]
    assert poison in report["minibatch"]
    assert len(report["minibatch"]) == 28
    message = str(caught.value)
    assert message.startswith(f"tiny: the loss of minibatch {report['step']} (counted from 0) is not a finite number")
    assert f"1 of 28 samples at fault: indices {poison};" in message


class OverflowingNetwork(TinyNetwork):
    """Its loss is finite, its gradient is not: the slope of a square root at zero."""

    def forward(self, images):
        outputs = super().forward(images)
        return outputs._replace(logits=outputs.logits + torch.sqrt(0 * outputs.logits))


def test_a_gradient_that_is_no_number_stops_too(tmp_path):
    network = OverflowingNetwork()
    before = state(network)
    with pytest.raises(TrainingError, match="the gradient of minibatch 0"):
        train(network, QUICK, tmp_path)
    assert_equal_states(before, state(network))


def test_training_that_diverges_is_stopped():
    options = QUICK.replace(optimizer="sgd", learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingError, match=r"network: the (loss|gradient) of minibatch \d+ .* learning rate 1e\+30"):
        train(TinyNetwork(), options)


def test_half_precision_learns():
    network = StageNetwork("p", seed=1)
    options = QUICK.replace(amp="bfloat16", learning_rate=0.005, steps=100)
    before = evaluate_network(network, make_set(8, seed=9), options)["loss"]
    train(network, options)
    assert evaluate_network(network, make_set(8, seed=9), options)["loss"] < 0.5 * before
    assert all(value.dtype == torch.float32 for value in network.parameters())


def test_logs(tmp_path):
    train(TinyNetwork(), QUICK.replace(schedule="step", milestones=(0.5,)), tmp_path)
    training, validation = rows(tmp_path / "training.csv"), rows(tmp_path / "validation.csv")
    assert [int(row["step"]) for row in training] == [10, 20, 30, 40, 50, 60]
    assert [float(row["learning_rate"]) for row in training] == pytest.approx([1e-3] * 3 + [1e-4] * 3)
    assert [int(row["step"]) for row in validation] == [0, 20, 40, 60]
    for row in training:
        parts = [float(row[name]) for name in ("detection", "box", "landmark")]
        # 4, 2 and 2 sevenths of a minibatch take part.
        assert float(row["loss"]) == pytest.approx((4 * parts[0] + 2 * 0.5 * parts[1] + 2 * parts[2]) / 7, rel=1e-4)


def test_tensorboard(tmp_path):
    options = QUICK.replace(tensorboard=True)
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match="tensorboard = true needs the package tensorboard"):
            train(TinyNetwork(), options, tmp_path)
    else:
        train(TinyNetwork(), options, tmp_path)
        assert list((tmp_path / "tensorboard").glob("events.out.*"))


def test_progress_is_reported_on_standard_error(capsys):
    train_network(TinyNetwork(), make_set(30), make_set(8), QUICK, None, name="tiny")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": loss")[0] for line in lines] == [f"tiny: step {step} of 60" for step in (0, 20, 40, 60)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, [1, 1, 1, 1]),
        ({"schedule": "cosine"}, [1, 0.853553, 0.5, 0.146447]),
        ({"schedule": "step", "milestones": (0.25, 0.75), "gamma": 0.5}, [1, 0.5, 0.5, 0.25]),
        ({"schedule": "constant", "warmup": 50}, [0.02, 0.52, 1, 1]),
    ],
)
def test_schedules(settings, expected):
    options = TrainOptions(steps=100, learning_rate=1.0, **settings)
    assert [learning_rate(options, step, 100) for step in (0, 25, 50, 75)] == pytest.approx(expected, abs=1e-6)


def test_bootstrapping_begins_with_few_negatives_and_adds_false_positives():
    samples = make_set(30)
    options = TrainOptions(mining="offline", first_negatives=0.2, steps=100, rounds=3)
    assert mining.rounds(options) == [range(33), range(33, 66), range(66, 100)]
    active = mining.first_negatives(samples, options)
    negatives = samples.indices_of(SampleKind.NEGATIVE)
    assert len(active) == 18
    assert np.isin(active, negatives).all()
    assert len(mining.first_negatives(samples, options.replace(mining="online"))) == len(negatives)

    brightness = samples.take(negatives).images.mean(axis=(1, 2, 3))
    limit = float(np.median(brightness))

    class ByBrightness(torch.nn.Module):
        def forward(self, images):
            mean = images.mean(dim=(1, 2, 3)) * 128 + 127.5 - limit
            return Outputs(torch.stack([-mean, mean], dim=1), None, None)

    found = mining.with_false_positives(ByBrightness(), samples, active, torch.device("cpu"), mining.ProcessGroup())
    np.testing.assert_array_equal(found, np.union1d(active, negatives[brightness > limit]))
    assert len(active) < len(found) < len(negatives)


def test_box_lambda_shrinks_the_box_head():
    norms = []
    for strength in (0.0, 10.0):
        network = TinyNetwork()
        train(network, QUICK.replace(box_lambda=strength, learning_rate=0.01, select="last"))
        norms.append(network.box_weights()[0].norm().item())
    assert norms[1] < 0.5 * norms[0]
    with pytest.raises(ConfigError, match="box_lambda needs a network with a method box_weights"):
        train(torch.nn.Linear(1, 1), QUICK.replace(box_lambda=0.1))


def test_a_network_for_detection_alone():
    class Classifier(TinyNetwork):
        def forward(self, images):
            return super().forward(images).logits, None, None

    network = Classifier()
    result = train(network, QUICK.replace(learning_rate=0.01))
    assert result.history[-1]["accuracy"] > 0.95
    assert result.history[-1]["box"] == 0


@pytest.mark.parametrize("device", ["tpu", "mps", "cuda:99"])
def test_devices_that_cannot_be_used(device):
    with pytest.raises(ConfigError, match="device"):
        train(TinyNetwork(), QUICK.replace(device=device))
