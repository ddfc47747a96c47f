// The body of every kernels_<isa>.cpp, which defines MF_ISA and MF_SIMD and is compiled for that instruction set.

#include "cpp/engine/area.h"
#include "cpp/engine/byte_kernel.inl"
#include "cpp/engine/coarse_rows.h"
#include "cpp/engine/crop_net.h"
#include "cpp/engine/crop_net_any.h"
#include "cpp/engine/pnet_tile.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {
namespace {

int pnet_tile(const PNetTile& tile, const PNetWeights& weights, Algorithm algorithm, float* scratch,
              std::uint32_t* sums, Cell* cells) {
    PNetTileRunner runner(tile, weights, algorithm, scratch, sums, cells);
    return runner.run();
}

void resample_to_pixels(const Resampling& job, std::uint32_t* sums, float* out) {
    BinWalk rows(job.window.y.size(), job.height);
    for (std::int32_t y = 0; y < job.height; ++y) {
        resample_row(job, rows.next(), 0, job.columns.size, sums,
                     PixelRow{out + std::ptrdiff_t{3} * job.columns.size * y});
    }
}

void resample_to_planes(const Resampling& job, std::int64_t row_begin, std::int64_t row_end, std::uint32_t* sums,
                        const PlanesView& out) {
    BinWalk rows(job.window.y.size(), job.height, row_begin);
    for (std::int64_t y = row_begin; y < row_end; ++y) {
        float* const row = out.data + y * out.pitch;
        resample_row(job, rows.next(), 0, job.columns.size, sums,
                     PlanarRow{{row, row + out.plane, row + 2 * out.plane}, job.columns.size});
    }
}

void resample_levels(const CoarseLevel* levels, int count, std::uint16_t* memory) {
    CoarseRows(levels, count, memory).run();
}

template <const CropStage& kStage>
// NOLINTNEXTLINE(readability-non-const-parameter): clang-tidy does not see what an instance does with it
void crop_net(const CropNetWeights& net, Algorithm algorithm, const float* crops, int count, float* scratch,
              float* out) {
    // The reference that tests compare with needs no speed, and no code of its own.
    if (algorithm == Algorithm::kDirect) return crop_net_any(net, algorithm, crops, count, scratch, out);
    CropNet<kStage>(net, scratch).run(crops, count, out);
}

template <const CropStage& kStage>
constexpr CropKernel kCropKernel{CropNet<kStage>::kScratch, crop_net<kStage>};

constexpr KernelTable kTable{.pnet_scratch = PNetScratch::kFloats,
                             .pnet_tile = pnet_tile,
                             .resample_to_pixels = resample_to_pixels,
                             .resample_to_planes = resample_to_planes,
                             .resample_levels = resample_levels,
                             .rnet = kCropKernel<kRNetStage>,
                             .onet = kCropKernel<kONetStage>,
                             .crop_net_any = crop_net_any,
                             .rnet_bytes = kByteKernel};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
