"""Classifiers that are trained side by side do as those that are trained alone."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from torch.nn import functional  # noqa: E402

from mtcnn_fast.training.ablations.cascade_cnn import CLASSIFICATION  # noqa: E402
from mtcnn_fast.training.ablations.cascade_table import PAIRS, make_network  # noqa: E402
from mtcnn_fast.training.ablations.side_by_side import SideBySide, SideBySideOptions  # noqa: E402
from mtcnn_fast.training.ablations.stacked_samples import drawn  # noqa: E402
from mtcnn_fast.training.ablations.step_tables import chosen_by_time  # noqa: E402
from mtcnn_fast.training.batches import Sampler, network_input, quotas  # noqa: E402
from mtcnn_fast.training.samples.augment import augment  # noqa: E402
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind  # noqa: E402

CPU = torch.device("cpu")


def made(count: int, seed: int, size: int = 24) -> SampleBatch:
    """Dark negatives and bright positives, hidden in noise."""
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(count) < 0.5, SampleKind.NEGATIVE, SampleKind.POSITIVE).astype(np.int8)
    bright = 110 + 30 * (kinds == SampleKind.POSITIVE)
    images = rng.normal(bright[:, None, None, None], 40, (count, size, size, 3)).clip(0, 255).astype(np.uint8)
    nothing = np.zeros((count, 4), np.float32), np.zeros((count, 5, 2), np.float32), np.zeros(count, np.float32)
    return SampleBatch(images, kinds, *nothing)


def side_by_side(**changes: object) -> SideBySide:
    settings = {"seeds": (0, 3), "steps": 6, "every": 4, "batch_size": 16, "learning_rate": 0.002, **changes}
    options = SideBySideOptions(**settings)  # type: ignore[arg-type]
    return SideBySide(PAIRS["r"], made(200, 0), made(80, 1), options, CPU, lambda text: None)


def test_each_learns_as_it_would_alone() -> None:
    run = side_by_side()
    assert run.run() == 6
    training, options = made(200, 0), run.options
    pools = {kind: np.flatnonzero(training.kinds == kind) for kind in SampleKind}
    sizes = quotas(CLASSIFICATION["ratio"], {kind: len(pool) for kind, pool in pools.items()}, options.batch_size)
    for (name, seed), network in zip(run.names, run.networks, strict=True):
        alone = make_network(name, seed)
        optimizer = torch.optim.Adam(alone.parameters(), lr=options.learning_rate)
        table = Sampler(pools, sizes, (seed,)).table(range(6))
        numbers = [drawn(range(first, last), 16, seed).numpy() for first, last in ((0, 4), (4, 6))]
        for step, (indices, draws) in enumerate(zip(table, np.concatenate(numbers), strict=True)):
            batch = augment(SampleBatch(*(column[indices] for column in training)), draws)
            optimizer.param_groups[0]["lr"] = options.learning_rate * (1 + np.cos(np.pi * step / 6)) / 2
            optimizer.zero_grad()
            labels = torch.from_numpy((batch.kinds == SampleKind.POSITIVE).astype(np.int64))
            functional.cross_entropy(alone(network_input(torch.from_numpy(batch.images)))[0], labels).backward()
            optimizer.step()
        for found, expected in zip(network.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-4)


def test_they_learn_to_tell_samples_apart() -> None:
    run = side_by_side(steps=60, every=20, learning_rate=0.0003)
    run.run()
    steps = [row["step"] for row in run.rows if (row["variant"], row["seed"]) == ("R-Net", 3)]
    assert steps == [0, 20, 40, 60]
    last = run.rows[-len(run.names) :]
    assert [(row["variant"], row["seed"]) for row in last] == run.names
    assert min(row["accuracy"] for row in last) > 0.9
    assert max(row["loss"] for row in last) < 0.4


def test_it_ends_when_its_time_is_over() -> None:
    assert side_by_side(steps=100, seconds=0).run() == 0


@pytest.mark.parametrize("rounded", [False, True])
def test_the_process_keeps_its_choice_of_algorithms(rounded: bool) -> None:
    def settings() -> tuple[bool, bool, bool]:
        return (
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
        )

    def disturbed() -> None:
        with chosen_by_time(rounded=rounded):
            assert settings() == ((True, True, True) if rounded else (True, *before[1:]))
            raise KeyError

    before = settings()
    with pytest.raises(KeyError):
        disturbed()
    assert settings() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_a_captured_step_is_the_same_step() -> None:
    device = torch.device("cuda")
    found = []
    for captured in (False, True):
        options = SideBySideOptions(seeds=(0, 3), steps=8, every=8, batch_size=16)
        run = SideBySide(PAIRS["r"], made(200, 0), made(80, 1), options, device, lambda text: None)
        values = [value for network in run.networks for value in network.parameters()]
        before = torch.cat([value.detach().flatten().clone() for value in values])
        run.fill(range(8))
        if captured:
            run.prepare()
        for _ in range(8):
            run.replay()
        # What the process has set stays as it was.
        assert (torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32) == (False, False)
        found.append(torch.cat([value.detach().flatten() for value in values]) - before)
    # Adam moves a parameter by its gradient's sign at first: where that is nearly 0, rounding decides.
    apart, moved = (found[0] - found[1]).abs().mean(), found[0].abs().mean()
    assert float(moved) > 0
    assert float(apart) < 0.02 * float(moved)
