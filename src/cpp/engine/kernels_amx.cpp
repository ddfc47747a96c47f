// The kernels of R-Net and O-Net in bfloat16 for processors with the tiles of AMX, which have AVX-512 too.
#define MF_ISA isa_amx
#define MF_SIMD "cpp/engine/simd/avx512.h"
#define MF_TILES "cpp/engine/simd/amx_tiles.h"
#include "cpp/engine/bfloat_net.h"

namespace mtcnn_fast::engine {

extern const BfloatKernels* const kKernels_amx;
const BfloatKernels* const kKernels_amx = &kBfloatKernels;

}  // namespace mtcnn_fast::engine
