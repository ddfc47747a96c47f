"""The CUDA module has the names of its stub, and each is compared with something that is not native."""

import runpy

from support.cuda_build import ROOT
from support.native_names import stub_names, uncompared


def test_the_module_has_the_names_of_its_stub(device):
    names = [name for name in stub_names("_cuda") if "." not in name]
    assert len(names) > 20
    assert sorted(names) == sorted(name for name in vars(device.module) if not name.startswith("_"))


def test_every_name_is_compared():
    # Attributes of the structures are read by test_structs.py.
    missing = [name for name in uncompared("_cuda") if "." not in name]
    assert missing == [], "decorate a test that compares these with an independent result by @compares"


def test_the_page_tells_what_hip_has_of_cuda():
    """And the script knows every name of CUDA that the sources use."""
    script = runpy.run_path(str(ROOT / "scripts" / "hip_report.py"))
    text = script["report"](script["used"]())
    page = (ROOT / "docs" / "cuda.md").read_text()
    assert text in page, "run scripts/hip_report.py --page docs/cuda.md"
    assert "cudaLaunchKernelEx" in text
