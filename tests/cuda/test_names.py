"""The CUDA module has the names of its stub, and each is compared with something that is not native."""

from support.native_names import stub_names, uncompared


def test_the_module_has_the_names_of_its_stub(device):
    names = stub_names("_cuda")
    assert len(names) > 20
    assert sorted(names) == sorted(name for name in vars(device.module) if not name.startswith("_"))


def test_every_name_is_compared():
    assert uncompared("_cuda") == [], "decorate a test that compares these with an independent result by @compares"
