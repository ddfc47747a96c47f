"""The native module has the names of its stub, and each is compared with something that is not native."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import ops
from mtcnn_fast._native import MAX_THREADS, find_native, native_isas, usable_processors
from mtcnn_fast.backends import host
from mtcnn_fast.faces import trace
from support.native_names import compares, stub_names, uncompared


@pytest.fixture(scope="module")
def cpu():
    return find_native()[0]


def test_the_module_has_the_names_of_its_stub(cpu):
    names = stub_names("_cpu")
    assert len(names) > 10
    found = [name for name in vars(cpu) if not name.startswith("_")]
    found += [f"Engine.{name}" for name in vars(cpu.Engine) if not name.startswith("_")]
    assert sorted(names) == sorted(found)


def test_every_name_is_compared():
    assert uncompared("_cpu") == [], "decorate a test that compares these with an independent result by @compares"


def test_a_name_without_a_test_is_found(tmp_path):
    assert uncompared("_cpu", tmp_path) == stub_names("_cpu")
    (tmp_path / "test_one.py").write_text("@compares('_cpu.Engine.detect', '_cpu.STEPS')\ndef test_it(): ...\n")
    (tmp_path / "test_two.py").write_text("@compares('_cuda.batched_nms')\ndef test_it(): ...\n")
    assert set(stub_names("_cpu")) - set(uncompared("_cpu", tmp_path)) == {"Engine.detect", "STEPS"}


def test_a_comparison_must_use_the_name():
    @compares("_cpu.available_isas", "_cpu.STAGES")
    def test(call):
        if call:
            native_isas()

    test(True)
    with pytest.raises(AssertionError, match=r"does not call \['_cpu.available_isas'\]"):
        test(False)


@compares("_cpu.STAGES", "_cpu.STEPS", "_cpu.REASONS")
def test_names_of_stages_steps_and_reasons_are_those_of_the_other_backends(cpu):
    assert cpu.STAGES == trace.STAGES
    assert cpu.STEPS == trace.STEPS
    assert cpu.REASONS == trace.REASONS


@compares("_cpu.MAX_THREADS", "_cpu.MAX_CROP", "_cpu.MAX_LEVEL")
def test_limits_are_those_of_the_public_operations(cpu):
    assert (cpu.MAX_THREADS, cpu.MAX_CROP, cpu.MAX_LEVEL) == (MAX_THREADS, ops.MAX_CROP, host.MAX_LEVEL)


@compares("_cpu.MAX_SIDE")
def test_float32_tells_pixels_apart_up_to_the_largest_side(cpu):
    side, one = np.float32(cpu.MAX_SIDE), np.float32(1)
    assert side - one != side
    assert side + one == side


@compares("_cpu.available_threads")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_threads_are_the_processors_that_the_process_may_use():
    allowed = os.sched_getaffinity(0)
    count = usable_processors()
    assert 1 <= count <= len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_processors() == count


@compares("_cpu.available_isas", "_cpu.has_tiles")
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no /proc/cpuinfo on this system")
def test_instruction_sets_are_those_that_the_processor_names():
    if platform.machine() != "x86_64":
        assert native_isas() == ["neon"]
        assert not find_native()[0].has_tiles()
        return
    flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
    assert find_native()[0].has_tiles() == ({"amx_tile", "amx_bf16", "avx512f"} <= flags)
    needed = {
        "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"},
        "avx2": {"avx2", "fma"},
        "sse2": {"sse2"},
    }
    assert native_isas() == [isa for isa, of_it in needed.items() if of_it <= flags]


def test_threads_without_the_native_module(monkeypatch):
    monkeypatch.setattr("mtcnn_fast._native.find_native", lambda: (None, "none"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert usable_processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_processors() == 1
