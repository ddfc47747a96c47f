// No flags that our sources are compiled with let the compiler fuse a multiplication with an addition, which rounds
// once instead of twice: geometry would move by a pixel.
#include <cstdio>
#include <string>
#include <vector>

#include "check.h"
#include "contraction.h"
#include "cpp/engine/isa.h"

// MF_PROBES is PROBE(name)PROBE(name)..., one for each group of flags; the group of the control may fuse.
#define PROBE(name) extern const Contraction kProbe_##name;
MF_PROBES
PROBE(control)
#undef PROBE

namespace {

struct Group {
    std::string name;
    const Contraction* probe;
};

const std::vector<Group> kGroups = {
#define PROBE(name) {#name, &kProbe_##name},
    MF_PROBES
#undef PROBE
};

// Whether this processor runs code of the group.
bool runs_here(const std::string& group) {
    if (group == "plain") return true;
    for (const mtcnn_fast::engine::Isa& isa : mtcnn_fast::engine::available_isas()) {
        if (group == isa.name) return true;
    }
    return false;
}

// (1 + x)(1 - x) - 1 is -x * x. The product, 1 - x * x, rounds to 1 when x * x is less than half of the last place, so
// that rounding twice gives 0.
bool fuses(const Contraction& probe) {
    constexpr float kSmall = 1.0f / (1 << 13);
    constexpr double kTiny = 1.0 / (1 << 28);
    constexpr int kCount = 67;
    const std::vector<float> a(kCount, 1 + kSmall), b(kCount, 1 - kSmall), c(kCount, -1);
    std::vector<float> out(kCount, 7);
    probe.array(a.data(), b.data(), c.data(), out.data(), kCount);
    bool fused = probe.single(a[0], b[0], c[0]) != 0 || probe.twice(1 + kTiny, 1 - kTiny, -1) != 0;
    for (const float value : out) fused = fused || value != 0;
    return fused;
}

void nothing_is_fused() {
    for (const Group& group : kGroups) {
        const bool here = runs_here(group.name);
        std::printf("%s: %s\n", group.name.c_str(), here ? "run" : "skipped: not on this processor");
        CHECK(!here || !fuses(*group.probe));
    }
}

// The control is compiled with leave to fuse, for an instruction set that can.
void a_fused_operation_would_be_seen() {
#if defined(MF_CONTROL)
    if (runs_here(MF_CONTROL)) CHECK(fuses(kProbe_control));
#endif
}

}  // namespace

int main() {
    RUN(nothing_is_fused);
    RUN(a_fused_operation_would_be_seen);
}
