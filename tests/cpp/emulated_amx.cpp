// The kernels of kernels_amx.cpp with emulated tiles: for tests, and for builds with MTCNN_FAST_EMULATE_AMX.
#define MF_ISA isa_emulated_amx
#define MF_SIMD "cpp/engine/simd/scalar.h"
#define MF_TILES "emulated_tiles.h"
#include "cpp/engine/amx_kernels.h"
#include "cpp/engine/bfloat_net.h"
#include "cpp/engine/pnet_bfloat.h"

namespace mtcnn_fast::engine {

static constexpr AmxKernels kAmxKernels{kBfloatKernels, kPNetBfloatKernel};

extern const AmxKernels* const kEmulatedAmx;
const AmxKernels* const kEmulatedAmx = &kAmxKernels;

}  // namespace mtcnn_fast::engine
