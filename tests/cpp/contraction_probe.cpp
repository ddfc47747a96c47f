// Compiled several times: MF_PROBE names the group of flags.
#include "contraction.h"

namespace {

float single(float a, float b, float c) { return a * b + c; }

double twice(double a, double b, double c) { return a * b + c; }

void array(const float* a, const float* b, const float* c, float* out, int n) {
    for (int i = 0; i < n; ++i) out[i] = a[i] * b[i] + c[i];
}

}  // namespace

extern const Contraction MF_PROBE;
const Contraction MF_PROBE{single, twice, array};
