"""`load_image` on what holds an array without being one: tensors, wrappers, subclasses, anything else."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.images import load_image
from support.pictures import check, noise, refused


class Wrapped:
    """An array behind any choice of protocols."""

    def __init__(self, array, device=(1, 0)):
        self.array = array
        self.kind = device


class WithArray(Wrapped):
    def __array__(self, dtype=None, copy=None):
        return self.array


class WithDlpack(Wrapped):
    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.kind


class WithBoth(WithArray, WithDlpack):
    pass


class WithInterface(Wrapped):
    @property
    def __array_interface__(self):
        return self.array.__array_interface__


class OnCuda:
    device = "cuda:0"
    __cuda_array_interface__ = {"shape": (5, 7, 3), "typestr": "|u1", "data": (1, True), "version": 3}  # noqa: RUF012


class TestArrayLikes:
    @pytest.mark.parametrize("wrapper", [WithArray, WithDlpack, WithBoth, WithInterface])
    def test_protocols(self, wrapper):
        image = noise(5, 7, 3)
        result = load_image(wrapper(image))
        check(result, image)
        assert np.shares_memory(result, image)

    @pytest.mark.parametrize("wrapper", [WithArray, WithDlpack, WithBoth])
    def test_protocols_follow_the_arguments(self, wrapper):
        image = noise(3, 5, 7)
        check(load_image(wrapper(image), layout="chw", color="bgr"), np.moveaxis(image[::-1], 0, 2))

    @pytest.mark.parametrize("device", [(3, 0), (11, 0)])
    def test_pinned_memory_is_host_memory(self, device):
        image = noise(5, 7, 3)
        check(load_image(WithBoth(image, device)), image)

    @pytest.mark.parametrize("wrapper", [WithDlpack, WithBoth])
    @pytest.mark.parametrize("device", [(2, 0), (8, 0), (10, 1), (13, 0)])
    def test_memory_of_a_device(self, wrapper, device):
        text = refused(wrapper(noise(5, 7, 3), device), "on a device other than the host")
        assert wrapper.__name__ in text

    def test_the_device_is_named(self):
        image = WithDlpack(noise(5, 7, 3), (2, 1))
        image.device = "cuda:1"
        refused(image, "on device cuda:1; accepted: arrays and tensors in host memory")

    def test_cuda_array_interface(self):
        refused(OnCuda(), "on device cuda:0")

    def test_a_device_that_cannot_be_told(self):
        class Nowhere(WithDlpack):
            device = "meta"

            def __dlpack_device__(self):
                raise ValueError("no memory")

        refused(Nowhere(noise(5, 7, 3)), r"on device meta.*no memory")

    @pytest.mark.parametrize("error", [TypeError, RuntimeError, ValueError, BufferError])
    def test_an_object_that_fails_to_convert(self, error):
        class Failing:
            def __array__(self, dtype=None, copy=None):
                raise error("no conversion")

        refused(Failing(), f"Failing cannot be read as an array .{error.__name__}: no conversion")

    def test_matrix_is_gray(self):
        image = noise(5, 7)
        with pytest.warns(PendingDeprecationWarning):
            matrix = np.matrix(image)
        check(load_image(matrix), load_image(image))

    def test_subclass_comes_out_as_a_plain_array(self):
        class Mine(np.ndarray):
            pass

        image = noise(5, 7, 3)
        result = load_image(image.view(Mine))
        check(result, image)
        assert np.shares_memory(result, image)

    def test_memory_map(self, tmp_path):
        image = noise(5, 7, 3)
        np.save(tmp_path / "image.npy", image)
        check(load_image(np.load(tmp_path / "image.npy", mmap_mode="r")), image)

    def test_masked_array_without_masked_pixels(self):
        image = noise(5, 7, 3)
        check(load_image(np.ma.array(image)), image)
        check(load_image(np.ma.array(image, mask=False)), image)

    def test_masked_pixels_have_no_value(self):
        mask = np.zeros((5, 7, 3), bool)
        mask[1, 2] = True
        refused(np.ma.array(noise(5, 7, 3), mask=mask), r"3 masked values.*filled\(0\)")

    @pytest.mark.parametrize("image", [None, 3, 2.5, object(), {"image": 1}, {1}, np.ndarray, print])
    def test_no_image(self, image):
        text = refused(image, f"image is of type .*{type(image).__name__}")
        assert "numpy array" in text

    @pytest.mark.parametrize("image", [[[1, 2], [3, 4]], ((1, 2), (3, 4)), [noise(5, 7, 3)]])
    def test_lists(self, image):
        refused(image, r"is of type (list|tuple).*numpy.asarray")

    def test_memoryview_of_more_than_one_dimension_is_an_array(self):
        image = noise(5, 7, 3)
        check(load_image(memoryview(image)), image)

    def test_a_number_of_numpy(self):
        refused(np.uint8(3), r"has shape \(\)")


@pytest.mark.torch
class TestTorch:
    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch", reason="torch is not installed")

    @pytest.mark.parametrize(
        ("shape", "layout"),
        [
            ((5, 7), "hwc"),
            ((5, 7, 1), "hwc"),
            ((5, 7, 3), "hwc"),
            ((5, 7, 4), "hwc"),
            ((3, 5, 7), "chw"),
            ((4, 5, 7), "chw"),
        ],
    )
    def test_shapes(self, shape, layout):
        image = noise(*shape)
        check(load_image(self.torch.from_numpy(image), layout=layout), load_image(image, layout=layout))

    def test_is_not_copied(self):
        tensor = self.torch.zeros((5, 7, 3), dtype=self.torch.uint8)
        result = load_image(tensor)
        tensor += 1
        assert result.min() == 1

    def test_channels_last_memory_is_not_copied(self):
        tensor = self.torch.zeros((5, 7, 3), dtype=self.torch.uint8).permute(2, 0, 1)
        result = load_image(tensor, layout="chw")
        tensor += 1
        assert result.min() == 1

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_floats(self, dtype):
        image = noise(3, 5, 7)
        tensor = self.torch.from_numpy(image / 255).to(getattr(self.torch, dtype))
        check(load_image(tensor, layout="chw", value_range=(0, 1)), np.moveaxis(image, 0, 2))
        refused(tensor, "value_range was not given", layout="chw")

    def test_uint16(self):
        image = noise(5, 7, 3)
        check(load_image(self.torch.from_numpy(image.astype(np.uint16) * 257)), image)

    @pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "complex64"])
    def test_other_types(self, dtype):
        refused(self.torch.zeros((5, 7, 3), dtype=getattr(self.torch, dtype)), f"has dtype {dtype}")

    def test_bfloat16(self):
        refused(
            self.torch.zeros((5, 7, 3), dtype=self.torch.bfloat16), "torch.Tensor cannot be read as an array.*BFloat16"
        )

    def test_meta(self):
        refused(self.torch.zeros((5, 7, 3), dtype=self.torch.uint8, device="meta"), "on device meta")

    def test_sparse(self):
        refused(self.torch.zeros((5, 7, 3), dtype=self.torch.uint8).to_sparse(), "cannot be read as an array")

    def test_gradient(self):
        refused(self.torch.zeros((5, 7, 3), requires_grad=True), "requires grad", value_range=(0, 1))

    @pytest.mark.gpu
    def test_cuda(self):
        if not self.torch.cuda.is_available():
            pytest.skip("no CUDA device")
        refused(self.torch.zeros((5, 7, 3), dtype=self.torch.uint8, device="cuda"), "on device cuda:0")
