// What every shared header needs: the function qualifier and NaN-propagating minimum and maximum.
#pragma once

#ifdef __FAST_MATH__
#error "Geometry is bit-exact by contract: compile without -ffast-math and with -ffp-contract=off (nvcc: --fmad=false)."
#endif

// Force-inlined, so that an object built for a newer instruction set never exports a body that the linker could hand to
// code that runs on an older processor.
#ifdef __CUDACC__
#define MF_HD __host__ __device__ __forceinline__
#else
#define MF_HD inline __attribute__((always_inline))
#endif

namespace mtcnn_fast {

// Like numpy.minimum and numpy.maximum: NaN if either argument is (fminf would drop it).
MF_HD float min_nan(float a, float b) { return (a < b || a != a) ? a : b; }
MF_HD float max_nan(float a, float b) { return (a > b || a != a) ? a : b; }

}  // namespace mtcnn_fast
