#include "cpp/engine/isa.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "cpp/engine/amx_kernels.h"
#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/byte_network.h"
#include "cpp/engine/cpu_features.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/layers.h"
#include "cpp/engine/pnet_filter.h"

namespace mtcnn_fast::engine {

// Each is defined by kernels_<isa>.cpp; CMakeLists.txt says by MTCNN_FAST_HAVE_<isa> which of those are built.
extern const KernelTable* const kKernels_sse2;
extern const KernelTable* const kKernels_avx2;
extern const KernelTable* const kKernels_avx512;
extern const KernelTable* const kKernels_neon;
extern const KernelTable* const kKernels_scalar;
extern const ByteKernel* const kKernels_avx512vnni;
extern const ByteKernel* const kKernels_avxvnni;
extern const AmxKernels* const kKernels_amx;
// tests/cpp/emulated_amx.cpp.
extern const AmxKernels* const kEmulatedAmx;

namespace {

bool always() { return true; }

// Best first. The last one runs on every processor that the build is for.
const Isa kIsas[] = {
#ifdef MTCNN_FAST_HAVE_avx512
    {"avx512", kKernels_avx512, [] { return cpu_features().avx512; }},
#endif
#ifdef MTCNN_FAST_HAVE_avx2
    {"avx2", kKernels_avx2, [] { return cpu_features().avx2; }},
#endif
#ifdef MTCNN_FAST_HAVE_sse2
    {"sse2", kKernels_sse2, always},
#endif
#ifdef MTCNN_FAST_HAVE_neon
    {"neon", kKernels_neon, always},
#endif
#ifdef MTCNN_FAST_HAVE_scalar
    {"scalar", kKernels_scalar, always},
#endif
};

// Those that are not in the table of an instruction set, because not all its processors run them.
const std::vector<ByteForm>& more_byte_forms() {
    static const std::vector<ByteForm> forms = {
#ifdef MTCNN_FAST_HAVE_avx512vnni
        {"avx512vnni", "avx512", kKernels_avx512vnni, [] { return cpu_features().avx512vnni; }},
#endif
#ifdef MTCNN_FAST_HAVE_avxvnni
        {"avxvnni", "avx2", kKernels_avxvnni, [] { return cpu_features().avxvnni; }},
#endif
    };
    return forms;
}

// Null where there are none.
const AmxKernels* amx_kernels() {
#if defined(MTCNN_FAST_EMULATE_AMX)
    return kEmulatedAmx;
#elif defined(MTCNN_FAST_HAVE_amx)
    static const bool usable = cpu_features().amx && request_tiles();
    return usable ? kKernels_amx : nullptr;
#else
    return nullptr;
#endif
}

}  // namespace

std::vector<ByteForm> available_byte_forms() {
    std::vector<ByteForm> forms;
    for (const Isa& isa : available_isas()) {
        for (const ByteForm& form : more_byte_forms()) {
            if (form.isa == std::string(isa.name) && form.supported()) forms.push_back(form);
        }
        forms.push_back({isa.name, isa.name, &isa.kernels->rnet_bytes, isa.supported});
    }
    return forms;
}

CropKernel crop_kernel(const KernelTable& kernels, const CropNetWeights& weights) {
    if (weights.stage == kRNetStage) return kernels.rnet;
    if (weights.stage == kONetStage) return kernels.onet;
    return {weights.layout.floats, kernels.crop_net_any};
}

const ByteKernel& byte_kernel(const Isa& isa) {
    for (const ByteForm& form : more_byte_forms()) {
        if (form.isa == std::string(isa.name) && form.supported()) return *form.kernel;
    }
    return isa.kernels->rnet_bytes;
}

const BfloatKernels* bfloat_kernels() {
    const AmxKernels* const kernels = amx_kernels();
    return kernels != nullptr ? &kernels->crops : nullptr;
}

const PNetBfloatKernel* pnet_bfloat_kernel() {
    const AmxKernels* const kernels = amx_kernels();
    return kernels != nullptr ? &kernels->pnet : nullptr;
}

std::vector<Isa> available_isas() {
    std::vector<Isa> isas;
    for (const Isa& isa : kIsas) {
        if (isa.supported()) isas.push_back(isa);
    }
    return isas;
}

Isa select_isa(const std::string& name) {
    const std::vector<Isa> isas = available_isas();
    if (name.empty()) return isas.front();
    std::string names;
    for (const Isa& isa : isas) {
        if (name == isa.name) return isa;
        names += (names.empty() ? "'" : ", '") + std::string(isa.name) + "'";
    }
    throw std::invalid_argument("instruction set must be one that this processor and build have (" + names +
                                "), got '" + name + "'");
}

}  // namespace mtcnn_fast::engine
