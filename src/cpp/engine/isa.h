// Which instruction sets this build has kernels for, which of them the processor runs, and the choice between them.
#pragma once

#include <string>
#include <vector>

#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/byte_network.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/pnet_filter.h"

namespace mtcnn_fast::engine {

struct Isa {
    const char* name;
    const KernelTable* kernels;
    bool (*supported)();
};

// A kernel of R-Net in bytes, and the instruction set beside whose kernels it is used.
struct ByteForm {
    const char* name;
    const char* isa;
    const ByteKernel* kernel;
    bool (*supported)();
};

// Those that run here, of each instruction set the best first.
std::vector<ByteForm> available_byte_forms();

// The best one for these kernels.
const ByteKernel& byte_kernel(const Isa& isa);

// Those of R-Net and O-Net in bfloat16; null where processor, system or build have no AMX. The first call asks the
// system, for the whole process and those that it starts by fork.
const BfloatKernels* bfloat_kernels();
// That of P-Net, likewise.
const PNetBfloatKernel* pnet_bfloat_kernel();

// The instruction sets that run here, best first; never empty.
std::vector<Isa> available_isas();

// The instruction set of that name; the best one for an empty name. Throws std::invalid_argument, which lists the
// names, for any other.
Isa select_isa(const std::string& name);

}  // namespace mtcnn_fast::engine
