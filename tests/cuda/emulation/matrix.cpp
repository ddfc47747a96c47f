#include "matrix.h"

namespace mf_emulation {
namespace {

constexpr int kRows = 16, kColumns = 8, kInner = 16;

float half_at(uint32_t word, int place) {
    return static_cast<float>(__builtin_bit_cast(_Float16, static_cast<uint16_t>(word >> 16 * place)));
}

}  // namespace

// Places after "Matrix Fragments for mma.m16n8k16 with floating point type" of the PTX ISA: there element i of a
// fragment has its row and column by formulas of the lane, which are repeated here.
void multiply_matrices(const std::array<Fragments, 32>& lanes) {
    float a[kRows][kInner], b[kInner][kColumns];
    for (int lane = 0; lane < 32; ++lane) {
        const int group = lane >> 2, within = lane % 4;
        for (int i = 0; i < 8; ++i) {
            const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
            const int column = within * 2 + (i & 1) + (i < 4 ? 0 : 8);
            a[row][column] = half_at(lanes[lane].a[i / 2], i % 2);
        }
        for (int i = 0; i < 4; ++i) {
            const int row = within * 2 + (i & 1) + (i < 2 ? 0 : 8);
            b[row][group] = half_at(lanes[lane].b[i / 2], i % 2);
        }
    }
    for (int lane = 0; lane < 32; ++lane) {
        const int group = lane >> 2, within = lane % 4;
        for (int i = 0; i < 4; ++i) {
            const int row = i < 2 ? group : group + 8, column = within * 2 + (i & 1);
            float sum = lanes[lane].sums[i];
            for (int k = 0; k < kInner; ++k) sum += a[row][k] * b[k][column];
            lanes[lane].sums[i] = sum;
        }
    }
}

}  // namespace mf_emulation
