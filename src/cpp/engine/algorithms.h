// Which algorithm each 3x3 convolution uses, chosen by measured parity and speed (docs/cpu-engine.md): never at run
// time.
#pragma once

#include "cpp/engine/kernel_table.h"

namespace mtcnn_fast::engine {

inline constexpr Algorithms kDirectAlgorithms{Algorithm::kDirect, Algorithm::kDirect, Algorithm::kDirect,
                                              Algorithm::kDirect, Algorithm::kDirect, Algorithm::kDirect};

inline constexpr Algorithms kFastAlgorithms{Algorithm::kWinograd, Algorithm::kWinograd, Algorithm::kWinograd,
                                            Algorithm::kWinograd, Algorithm::kWinograd, Algorithm::kWinograd};

}  // namespace mtcnn_fast::engine
