"""The lines that `benchmarks/gpu.py` ends with, from made-up measurements: no device is needed to judge."""

import runpy

import pytest

from support.cuda_build import ROOT

BENCHMARK = runpy.run_path(str(ROOT / "benchmarks" / "gpu.py"))


def judge(rates, kernels, card="NVIDIA H100 80GB HBM3", filtered=()):
    rows = [{"what": what, "size": "640x480", "batch": 64, "images_per_second": rate} for what, rate in rates.items()]
    # Other sizes say nothing about the expectation.
    rows.append({"what": "fused", "size": "640x480", "batch": 1, "images_per_second": 1.0})
    parts, others = (
        [{"kernel": name, "launches": 1, "us": micros} for name, micros in dict(each).items()]
        for each in (kernels, filtered)
    )
    return {line.partition(":")[0]: line for line in BENCHMARK["verdicts"](card, rows, parts, (80, 20), others)}


def test_every_expectation_is_answered():
    lines = judge(
        {"fused": 9000, "filtered": 9900, "fused, on the device": 7999, "torch": 4000, "facenet-pytorch": 100},
        {
            "pnet_kernel<Tile>": 2000,
            "crop_features_kernel<CropShape>": 1700,
            "crop_scores_kernel": 100,
            "nms_suppress_kernel": 300,
            "nms_copy_kept_kernel": 300,
            "gather_kernel": 10,
        },
        filtered={"pnet_filter_kernel<FilterTile>": 300, "pnet_parts_kernel<Tile>": 200, "gather_kernel": 10},
    )
    assert lines["images a second, fused"].endswith("expected at least 8000.00: met")
    assert lines["images a second, fused, on the device"].endswith("MISSED")
    assert "2.25 times" in lines["fused against torch's networks"]
    assert lines["fused against facenet-pytorch"].endswith("met")
    assert lines["P-Net, 40 % of the peak"].endswith("met")
    assert lines["filtered against fused"].startswith("filtered against fused: 1.10 times")
    assert lines["filtered, on the device against fused, on the device"].endswith("not run")
    assert lines["P-Net against that with the filter"].startswith("P-Net against that with the filter: 4.00 times")
    assert lines["P-Net with the filter, 40 % of the peaks"].endswith("met")
    assert lines["R-Net and O-Net, 40 % of the peak"].startswith("R-Net and O-Net, 40 % of the peak: 1.80 ms")
    assert lines["suppression, all four"] == "suppression, all four: 0.60 ms, expected at most 0.50: MISSED"
    assert lines["other kernels of ours"].endswith("met")


def test_what_was_not_measured_is_said():
    lines = judge({"fused": 9000}, {}, card="a card of tomorrow")
    for name in ("images a second, fused, on the device", "fused against facenet-pytorch", "suppression, all four"):
        assert lines[name] == f"{name}: not run"
    assert lines["networks against the limit on paper"].endswith(
        "no peaks of a card of tomorrow in scripts/gpu_roofline.py"
    )


@pytest.mark.parametrize("seconds", [0.01, 0.3, 5.0])
def test_a_measurement_ends(monkeypatch, seconds):
    clock = [0.0]

    def run():
        clock[0] += seconds

    monkeypatch.setattr(BENCHMARK["time"], "perf_counter", lambda: clock[0])
    measured = BENCHMARK["measure"](run, lambda: None)
    assert measured == pytest.approx([seconds] * len(measured))
    assert len(measured) == {0.01: 100, 0.3: 14, 5.0: 3}[seconds]
    assert len(BENCHMARK["measure"](run, lambda: None, 0.5)) == {0.01: 50, 0.3: 7, 5.0: 3}[seconds]
