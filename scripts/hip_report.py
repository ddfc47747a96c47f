#!/usr/bin/env python3
"""What a port of the kernels to HIP meets: every name of CUDA in ``src/cuda``, and HIP's name for it.

The table is HIPIFY's at ROCm 6.2 (https://github.com/ROCm/HIPIFY, docs/tables, commit 014177b). Fails on a name that
the table does not have, so that the page stays true.

    python scripts/hip_report.py [--page docs/cuda.md]
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "cuda"
NAME = re.compile(
    r"\b(?:cuda[A-Z]\w*|cu(?:Pointer|Device|Ctx)\w+|CU_[A-Z_]+|CUDA_[A-Z_]+|CU[a-z]\w+|CUDART_\w+|cuda_\w+\.h|cuda\.h"
    r"|__(?:CUDACC__|half2?|float2half_rn|floats2half2_rn|float_as_uint|fmaf_rn|popcll?|ffsll?|activemask|\w+_sync|sync\w+|\w+__))\b"
)
COMMENT = re.compile(r"//[^\n]*|\"[^\"\n]*\"")

#: With another name in HIP, most often only another prefix.
RENAMED = {
    "cudaDeviceProp", "cudaDriverGetVersion", "cudaErrorInitializationError", "cudaError_t", "cudaEventCreateWithFlags",
    "cudaEventDestroy", "cudaEventDisableTiming", "cudaEventRecord", "cudaEvent_t",
    "cudaFuncAttributeMaxDynamicSharedMemorySize", "cudaFuncSetAttribute", "cudaGetDeviceCount",
    "cudaGetDeviceProperties", "cudaGetErrorName", "cudaGetErrorString", "cudaGetLastError", "cudaMemsetAsync",
    "cudaStreamWaitEvent", "cudaStream_t", "cudaSuccess", "cuda_runtime.h", "cuda_fp16.h", "cuda.h", "__CUDACC__",
    "cuPointerGetAttributes", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease", "cuCtxPushCurrent",
    "cuCtxPopCurrent", "CUcontext", "CUdeviceptr", "CUmemorytype", "CUpointer_attribute", "CUresult",
    "CU_MEMORYTYPE_DEVICE", "CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL", "CU_POINTER_ATTRIBUTE_IS_MANAGED",
    "CU_POINTER_ATTRIBUTE_MEMORY_TYPE", "CUDA_SUCCESS", "CUDA_ERROR_NOT_INITIALIZED", "cudaGetDriverEntryPoint",
    "cudaDriverEntryPointQueryResult", "cudaDeviceSynchronize", "cudaErrorMemoryAllocation", "cudaErrorNotReady",
    "cudaEventQuery", "cudaEventSynchronize", "cudaFree", "cudaFreeHost", "cudaMalloc", "cudaMallocHost",
    "cudaMemcpyAsync", "cudaMemcpyDeviceToHost", "cudaMemcpyHostToDevice", "cudaStreamCreateWithFlags",
    "cudaStreamDestroy", "cudaStreamNonBlocking", "cudaStreamSynchronize",
}  # fmt: skip
#: The same name in HIP.
SAME = {
    "__device__", "__global__", "__shared__", "__launch_bounds__", "__forceinline__", "__syncthreads", "__half",
    "__half2", "__float2half_rn", "__floats2half2_rn", "__float_as_uint", "__fmaf_rn", "__popc", "__popcll", "__ffsll",
}  # fmt: skip
#: Nothing of HIP 6.2 stands for these; what a port would do.
MISSING = {
    "cudaLaunchKernelEx": "`hipLaunchKernelExC` of ROCm 7, or `hipLaunchKernel`: no attribute is set",
    "cudaLaunchConfig_t": "as above",
    "cudaGetDriverEntryPointByVersion": "`hipGetProcAddress`, or linking: HIP's driver functions are in its runtime",
    "cudaEnableDefault": "as above: 0",
    "CUDART_VERSION": "`HIP_VERSION`, with numbers of its own",
    "__shfl_xor_sync": "ROCm 7 has it with a mask of 64 bits; before, `__shfl_xor`",
    "__shfl_up_sync": "the same",
    "__ballot_sync": "the same; the result has 64 bits",
    "__any_sync": "the same",
    "__CUDA_ARCH__": "the architecture's own macro, such as `__gfx942__`",
}
#: Not CUDA's: Python's protocols, the C++ library, the preprocessor.
OTHERS = re.compile(r"__(dlpack|cuda_array_interface|name|forced_unwind|VA_).*|CUDA_VISIBLE_DEVICES")


def used() -> Counter[str]:
    """Count the names of CUDA in the sources, without comments and texts."""
    names: Counter[str] = Counter()
    for path in sorted(SOURCE.iterdir()):
        if path.suffix in (".cu", ".cpp", ".h"):
            names.update(NAME.findall(COMMENT.sub("", path.read_text())))
            names.update(re.findall(r"#include <(cuda[\w.]*)>", path.read_text()))
    return Counter({name: count for name, count in names.items() if not OTHERS.fullmatch(name)})


def report(names: Counter[str]) -> str:
    missing = [name for name in MISSING if name in names]
    unknown = sorted(set(names) - RENAMED - SAME - set(MISSING))
    if unknown:
        raise SystemExit(f"names of CUDA that the table lacks: {', '.join(unknown)}")
    places = sum(names[name] for name in missing)
    same, renamed = len(set(names) & SAME), len(set(names) & RENAMED)
    counts = (
        f"{len(names)} names in {sum(names.values())} places: {same} are the same in HIP, {renamed} have another name"
    )
    lines = [f"{counts}, {len(missing)} in {places} places have no equivalent.", ""]
    lines += ["| name | places | in its place |", "|---|--:|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {names[name]} | {MISSING[name]} |" for name in missing)])


def main() -> None:
    from page_block import write_block

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="page to write the table to")
    arguments = parser.parse_args()
    text = report(used())
    print(text)
    if arguments.page:
        write_block(arguments.page, "scripts/hip_report.py", text)


if __name__ == "__main__":
    main()
