"""The tests know what a mistake does: with any barrier removed, or a slip of the pen, they fail."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.cuda_build import ROOT, SOURCE, compiler

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="the emulated device needs a C++ compiler"),
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.xdist_group("cuda_mutations"),
]

BARRIER = re.compile(r"__sync(threads|warp)\(\);")

#: Test that runs the kernels of each source with barriers.
TESTS = {
    "crop_pad_resize.cu": "test_crop_pad_resize.py::test_boxes_around_every_side[24-zero]",
    "select_kernels.h": "test_proposals.py::test_exactly_full",
    "select.cu": "test_proposals.py::test_more_chunks_than_one_scan_holds",
    "pnet.cu": "test_pnet_filter.py::test_infinite_limits_take_all_or_nothing",
    "pnet_filter.cu": "test_pnet_filter.py::test_takes_what_half_precision_puts_above_the_limit[27-30-101376]",
    "column_sums.h": "test_pnet.py::test_equals_numpy_around_the_sizes_of_a_tile[20-90-101376]",
    "crop_input.h": "test_crop_network.py::test_layouts_give_the_same_bits[planes-rnet]",
    "level_tile.h": "test_pnet.py::test_layouts_give_the_same_bits[planes]",
    "crop_features.cu": "test_crop_network.py::test_bands_do_not_change_a_bit",
    "crop_scores.cu": "test_crop_network.py::test_a_batch_equals_its_crops_to_the_bit[rnet]",
    "segment_table.h": "test_batched_nms.py::test_more_segments_than_one_sum_spans",
    "batched_nms.cu": "test_batched_nms.py::test_segments_that_exceed_the_shared_memory[4500]",
}


#: Faults that are no missing barrier: the source, what it says, what a slip would make of it.
SLIPS = {
    "halo": ("level_tile.h", "level_bin(2 * job.row + i,", "level_bin(2 * job.row + i - 1,"),
    "patch": ("pnet.cu", "input + 2 * y * T::kInputStride + 2 * x,", "input + 2 * y * T::kInputStride + 2 * x + 4,"),
    "channel": ("pnet.cu", "(input + c * plane + y", "(input + (c ^ 1) * plane + y"),
    "share": ("pnet.cu", "weights + L::kConv2 + first", "weights + L::kConv2 + (kOutputs - first)"),
    "pooling": ("pnet.cu", "k / 2 < rows && ", ""),
    "columns": ("column_sums.h", "odd += words[k] >> 8", "odd += words[k] >> 16"),
    "bins": ("column_sums.h", "row + (3 * columns.begin - sums.first)", "row + 3 * columns.begin"),
    "tile": ("pnet_tile.h", "tile / level.tiles_across * height", "tile / level.tiles_across * width"),
    "part": ("pnet.cu", "job.column += part % across", "job.column += part / across"),
    "fragment": ("pnet_filter.cu", "rows[k][0], rows[k + 1][0], rows[k][1]", "rows[k][0], rows[k][1], rows[k + 1][0]"),
    "factor": ("pnet_filter_weights.cpp", "j % 2 + j / 2 * 8", "j % 2 + (1 - j / 2) * 8"),
    "plane": ("pnet_filter.cu", "second[(n * T::kSecond", "second[((n ^ 1) * T::kSecond"),
    "filter pooling": ("pnet_filter.cu", "+ 1 < job.level.height - 2", "+ 1 < job.level.height"),
    "filter edge": ("pnet_filter.cu", "job.row + row + i < job.level.rows && ", ""),
    "no number": ("pnet_filter.cu", "!(logits[i / 2][i % 2] < limit)", "logits[i / 2][i % 2] >= limit"),
    "crop halo": ("crop_features.cu", "2 * (top + from), 2 *", "2 * (top + from) + 1, 2 *"),
    "crop rows": ("crop_features.cu", "2 * (T::kPooledRows - from) + 3", "2 * (T::kPooledRows - from) + 2"),
    "carried row": ("crop_features.cu", "(2 * T::kBand + 1) * T::kPooledStride", "2 * T::kBand * T::kPooledStride"),
    "crop channel": ("crop_features.cu", "input + c * kPlane + row", "input + (c ^ 1) * kPlane + row"),
    "crop pooling": ("crop_features.cu", "k / 3 < rows && ", ""),
    "flattening": ("crop_scores.cu", "(x * kLastSide + y) * layer.outputs", "(y * kLastSide + x) * layer.outputs"),
    "neighbour": ("crop_scores.cu", "inputs + n * layer.inputs + k", "inputs + (n ^ 1) * layer.inputs + k"),
    "score": ("batched_nms.cu", "uint64_t{~ascending}", "uint64_t{ascending}"),
    "prefix": ("segment_table.h", "chunk * kSegmentChunk +", "(chunk + 1) * kSegmentChunk +"),
}
#: Where a slip shows only elsewhere than in `TESTS`.
SLIP_TESTS = {
    **dict.fromkeys(
        ("crop halo", "crop rows", "carried row", "crop channel", "crop pooling"),
        "test_crop_network.py::test_equals_numpy[zero-onet]",
    ),
    **dict.fromkeys(
        ("halo", "patch", "channel", "share"),
        "test_pnet.py::test_equals_numpy_around_the_sizes_of_a_tile[20-90-101376]",
    ),
    "part": "test_pnet_filter.py::test_what_is_taken_has_the_exact_bits_and_the_rest_scores_0[101376]",
    "factor": "test_pnet_filter.py::test_takes_what_half_precision_puts_above_the_limit[27-30-101376]",
    "filter edge": "test_pnet_filter.py::test_infinite_limits_take_all_or_nothing",
    "no number": "test_pnet_filter.py::test_what_is_no_number_is_taken",
    "columns": "test_pnet.py::test_strides_of_the_image[words]",
    "flattening": "test_crop_network.py::test_equals_numpy[zero-rnet]",
    "pooling": "test_pnet.py::test_equals_numpy_around_the_sizes_of_a_tile[43-77-101376]",
    "tile": "test_pnet.py::test_equals_numpy_around_the_sizes_of_a_tile[43-77-101376]",
}


def barriers():
    for path in sorted((SOURCE / "cuda").iterdir()):
        for number, _ in enumerate(BARRIER.finditer(path.read_text())):
            yield path.name, number


def remove_barrier(text, number):
    match = list(BARRIER.finditer(text))[number]
    return text[: match.start()] + text[match.end() :]


def run_test(name, source):
    environment = {**os.environ, "MTCNN_FAST_EMULATION_SOURCE": str(source), "MTCNN_FAST_EMULATION": "race"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
    return subprocess.run(
        [*command, str(ROOT / "tests" / "cuda" / name)], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(("name", "number"), list(barriers()))
def test_removing_a_barrier_is_noticed(tmp_path, name, number):
    for part in ("common", "cuda"):
        shutil.copytree(SOURCE / part, tmp_path / part)
    mutated = tmp_path / "cuda" / name
    mutated.write_text(remove_barrier(mutated.read_text(), number))
    done = run_test(TESTS[name], tmp_path)
    # A race may also garble an index, which ends the process before it can report.
    if done.returncode >= 0:
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        assert re.search("race in (shared|global) memory|read of shared memory", done.stdout), done.stdout


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_noticed(tmp_path, slip):
    name, right, wrong = SLIPS[slip]
    for part in ("common", "cuda"):
        shutil.copytree(SOURCE / part, tmp_path / part)
    mutated = tmp_path / "cuda" / name
    text = mutated.read_text()
    assert text.count(right) == 1
    mutated.write_text(text.replace(right, wrong))
    done = run_test(SLIP_TESTS.get(slip) or TESTS[name], tmp_path)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED or done.returncode < 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_the_unchanged_source_passes(tmp_path, name):
    """So that what fails above is the missing barrier and not the way of running."""
    done = run_test(TESTS[name], Path(SOURCE))
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
