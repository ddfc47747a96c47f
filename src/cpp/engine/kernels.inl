// The body of every kernels_<isa>.cpp, which defines MF_ISA and MF_ISA_NAME and is compiled for that instruction set.

#include "cpp/engine/crop_net.h"
#include "cpp/engine/crop_window_area.h"
#include "cpp/engine/pnet_tile.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {
namespace {

int pnet_tile(const PNetTile& tile, const PNetWeights& weights, const Algorithms& algorithms, float* scratch,
              std::uint32_t* vertical, Cell* cells) {
    PNetTileRunner runner(tile, weights, algorithms, scratch, vertical, cells);
    return runner.run();
}

void crop(const ImageView& image, const CropWindow& window, int size, std::uint32_t* vertical, float* out) {
    if (size == 24) return crop_area<24>(image, window, vertical, out);
    crop_area<48>(image, window, vertical, out);
}

void rnet(const CropNetWeights& net, const Algorithms& algorithms, const float* crops, int count, float* scratch,
          float* out) {
    run_rnet(net, algorithms, crops, count, scratch, out);
}

void onet(const CropNetWeights& net, const Algorithms& algorithms, const float* crops, int count, float* scratch,
          float* out) {
    run_onet(net, algorithms, crops, count, scratch, out);
}

constexpr KernelTable kTable{
    MF_ISA_NAME, PNetScratch::kFloats, RNetScratch::kFloats, ONetScratch::kFloats, pnet_tile, crop, rnet, onet};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
