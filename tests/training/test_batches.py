"""Which samples a minibatch has, that none is lost or doubled, and what reaches the network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn_fast.errors import ConfigError

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training.batches import Sampler, network_input, ordered_batches, quotas, training_batches  # noqa: E402
from mtcnn_fast.training.distributed import ProcessGroup  # noqa: E402
from mtcnn_fast.training.samples import SampleKind  # noqa: E402
from mtcnn_fast.training.train_options import TrainOptions  # noqa: E402
from support.training import make_set  # noqa: E402

PAPER = (3.0, 1.0, 1.0, 2.0)
ENOUGH = dict.fromkeys(SampleKind, 1000)


def sampler_of(samples, options, seed=(0, 0)):
    sizes = quotas(options.ratio, samples.counts, options.batch_size)
    return Sampler({kind: samples.indices_of(kind) for kind in SampleKind}, sizes, seed)


def test_a_minibatch_has_the_papers_ratio():
    assert list(quotas(PAPER, ENOUGH, 448).values()) == [192, 64, 64, 128]
    assert list(quotas(PAPER, ENOUGH, 7).values()) == [3, 1, 1, 2]


def test_a_kind_without_samples_leaves_its_place_to_the_others():
    counts = {**ENOUGH, SampleKind.LANDMARK: 0}
    assert quotas(PAPER, counts, 100) == {SampleKind.NEGATIVE: 60, SampleKind.POSITIVE: 20, SampleKind.PART: 20}


@given(
    ratio=st.tuples(*[st.integers(0, 9)] * 4).filter(any),
    size=st.integers(1, 600),
)
def test_quotas_fill_the_minibatch(ratio, size):
    found = quotas(tuple(map(float, ratio)), ENOUGH, size)
    assert sum(found.values()) == size
    for kind, count in found.items():
        assert abs(count - size * ratio[kind] / sum(ratio)) < 1


def test_no_samples_to_train_on_is_an_error():
    with pytest.raises(ConfigError, match=r"ratio \(0.0, 0.0, 0.0, 1.0\) leaves no samples"):
        quotas((0.0, 0.0, 0.0, 1.0), {**ENOUGH, SampleKind.LANDMARK: 0}, 10)


def test_an_epoch_has_every_sample_once_and_the_next_another_order():
    samples = make_set(10)
    sampler = sampler_of(samples, TrainOptions(batch_size=7))
    epochs = [np.concatenate([sampler.indices(step) for step in range(start, start + 10)]) for start in (0, 10)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(len(samples)))
    assert not np.array_equal(*epochs)


def test_minibatches_depend_on_seed_and_step_alone():
    samples = make_set(10)
    options = TrainOptions(batch_size=12)
    forward = sampler_of(samples, options)
    in_order = [forward.indices(step) for step in range(30)]
    for step in (29, 3, 17):
        np.testing.assert_array_equal(sampler_of(samples, options).indices(step), in_order[step])
    assert not np.array_equal(sampler_of(samples, options, (1, 0)).indices(0), in_order[0])


@given(count=st.integers(0, 500), size=st.integers(1, 9))
def test_parts_lose_and_double_nothing(count, size):
    everything = np.arange(count)
    parts = [everything[ProcessGroup(rank, size).part(count)] for rank in range(size)]
    np.testing.assert_array_equal(np.concatenate(parts), everything)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("augment", [False, True])
def test_processes_see_together_what_one_sees_alone(augment):
    samples = make_set(10)
    options = TrainOptions(batch_size=15, augment=augment)
    sampler = sampler_of(samples, options)

    def batches(group):
        return list(training_batches(samples, sampler, range(3, 6), group, options, (5,)))

    alone = batches(ProcessGroup())
    parts = [batches(ProcessGroup(rank, 4)) for rank in range(4)]
    assert [len(step.indices) for step in alone] == [15, 15, 15]
    for number, whole in enumerate(alone):
        np.testing.assert_array_equal(np.concatenate([part[number].indices for part in parts]), whole.indices)
        assert torch.equal(torch.cat([part[number].images for part in parts]), whole.images)
        for place, tensor in enumerate(whole.targets):
            assert torch.equal(torch.cat([part[number].targets[place] for part in parts]), tensor)


def test_augmentation_changes_from_epoch_to_epoch():
    samples = make_set(2)
    options = TrainOptions(batch_size=14)
    steps = list(training_batches(samples, sampler_of(samples, options), range(2), ProcessGroup(), options, (5,)))
    pictures = [step.images[np.argsort(step.indices)] for step in steps]
    assert (pictures[0] != pictures[1]).flatten(1).any(dim=1).all()


def test_what_reaches_the_network():
    samples = make_set(3)
    chosen = samples.indices_of(SampleKind.LANDMARK)[:2]
    (minibatch,) = ordered_batches(samples, chosen, 10, "corner")
    batch = samples.take(chosen)
    images = network_input(minibatch.images)
    assert images.shape == (2, 3, 12, 12)
    # As at detection: (value - 127.5) / 128, planes R, G, B.
    np.testing.assert_array_equal(
        images.numpy(), (batch.images.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) * np.float32(1 / 128)
    )
    # Five x, then five y.
    np.testing.assert_array_equal(minibatch.targets.landmarks[:, :5], batch.landmarks[:, :, 0])
    np.testing.assert_array_equal(minibatch.targets.landmarks[:, 5:], batch.landmarks[:, :, 1])
    assert minibatch.targets.kinds.tolist() == [3, 3]


def test_an_error_in_loading_reaches_the_caller():
    class Broken:
        def take(self, indices):
            raise OSError("the disk is gone")

    options = TrainOptions(batch_size=14)
    sampler = sampler_of(make_set(2), options)
    with pytest.raises(OSError, match="the disk is gone"):
        list(training_batches(Broken(), sampler, range(5), ProcessGroup(), options, (0,)))
