"""Judgement of windows and statistics over seeds, held against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.errors import DataError  # noqa: E402
from mtcnn_fast.training.ablations.stacked_results import (  # noqa: E402
    difference,
    estimate,
    judgement,
    read_networks,
)
from mtcnn_fast.training.stage_networks import StageNetwork  # noqa: E402

FACES = np.array([True, True, False, False, False, False])


class TestNetworks:
    def test_each_has_its_parameters(self, tmp_path):
        from safetensors.torch import save_file

        made = {("with mining", seed): StageNetwork("o", seed=seed) for seed in (0, 10)}
        for number, ((variant, seed), network) in enumerate(made.items()):
            state = {f"{variant}/{seed}/{name}": value.half() for name, value in network.net.state_dict().items()}
            save_file(state, tmp_path / f"networks-{number}.safetensors")
        found = read_networks(tmp_path)
        assert list(found) == list(made)
        for key, network in made.items():
            assert not found[key].training
            for name, value in network.net.state_dict().items():
                assert torch.equal(found[key].net.state_dict()[name], value.half().float())

    def test_there_must_be_some(self, tmp_path):
        with pytest.raises(DataError, match="no networks"):
            read_networks(tmp_path)


class TestJudgement:
    def test_by_hand(self):
        margins = np.array([2.0, -1.0, -2.0, -1.0, 1.0, -3.0])
        found = judgement(margins, FACES)
        positive = np.log1p(np.exp(-margins[FACES])).mean()
        negative = np.log1p(np.exp(margins[~FACES])).mean()
        assert found.loss == pytest.approx((positive + 3 * negative) / 4)
        assert found.accuracy == pytest.approx((1 / 2 + 3 * 3 / 4) / 4)
        # The first positive is above all four negatives; the second above two, beside one, below one.
        assert found.ranking == pytest.approx((4 + 2.5) / 8)

    def test_gradient_of_the_easiest(self):
        """Of four positives and twelve negatives of equal weights the 30 % with the lowest losses are four."""
        faces = np.arange(16) < 4
        margins = np.where(faces, 1.0, -1.0) * np.linspace(-2, 3, 16)
        share = 1 / (1 + np.exp(np.linspace(-2, 3, 16)))
        assert judgement(margins, faces).easy_gradient == pytest.approx(share[-4:].sum() / share.sum())

    def test_scale_is_told_from_order(self):
        rng = np.random.default_rng(0)
        faces = rng.random(4000) < 0.4
        margins = rng.normal(np.where(faces, 1.0, -1.0), 1.5)
        whole, shy = judgement(margins, faces), judgement(margins / 4, faces)
        assert shy.loss > whole.loss
        assert shy.ranking == whole.ranking
        assert shy.accuracy == whole.accuracy
        assert shy.rescaled_loss == pytest.approx(whole.rescaled_loss, rel=1e-3)
        assert shy.factor / whole.factor == pytest.approx(4, rel=0.02)
        assert whole.rescaled_loss <= whole.loss


class TestStatistics:
    def test_interval(self):
        pytest.importorskip("scipy")
        found = estimate([1.0, 2.0, 3.0])
        # Student's t of two degrees of freedom, 97.5 %: 4.3027; standard error 1 / sqrt(3).
        assert found.mean == 2
        assert found.high - found.mean == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
        assert found.mean - found.low == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
        # t = 2 sqrt(3): in closed form for two degrees of freedom.
        assert found.p == pytest.approx(1 - np.sqrt(12 / 14), rel=1e-6)

    def test_seeds_are_paired(self):
        pytest.importorskip("scipy")
        values = {0: (5.0, 4.0), 1: (1.0, -1.0), 2: (9.0, 6.0)}
        rows = [{"variant": "one", "seed": seed, "loss": one} for seed, (one, _) in values.items()]
        # In another order, and as text, as from a CSV.
        rows += [{"variant": "other", "seed": str(seed), "loss": str(values[seed][1])} for seed in (2, 0, 1)]
        found = difference(rows, "loss", "one", "other")
        assert found == estimate([1.0, 2.0, 3.0])
        with pytest.raises(DataError, match="same seeds"):
            difference(rows[1:], "loss", "one", "other")
