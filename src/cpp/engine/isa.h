// Which instruction sets this build has kernels for, which of them the processor runs, and the choice between them.
#pragma once

#include <string>
#include <vector>

#include "cpp/engine/kernel_table.h"

namespace mtcnn_fast::engine {

// The kernels that run here, best first; never empty.
std::vector<const KernelTable*> available_kernels();

// The best, or those of that name. Throws std::invalid_argument, listing what there is, for any other name.
const KernelTable& select_kernels(const std::string& name);

}  // namespace mtcnn_fast::engine
