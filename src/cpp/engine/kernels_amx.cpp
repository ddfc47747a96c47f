// The kernels of all three networks in bfloat16 for processors with the tiles of AMX, which have AVX-512 too.
#define MF_ISA isa_amx
#define MF_SIMD "cpp/engine/simd/avx512.h"
#define MF_TILES "cpp/engine/simd/amx_tiles.h"
#include "cpp/engine/amx_kernels.h"
#include "cpp/engine/bfloat_net.h"
#include "cpp/engine/pnet_bfloat.h"

namespace mtcnn_fast::engine {

static constexpr AmxKernels kAmxKernels{kBfloatKernels, kPNetBfloatKernel};

extern const AmxKernels* const kKernels_amx;
const AmxKernels* const kKernels_amx = &kAmxKernels;

}  // namespace mtcnn_fast::engine
