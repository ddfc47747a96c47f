#include "cpp/resize.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/crop_window.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

void resize_pyramid(const ImageView& image, const std::vector<ResizedLevel>& levels, const engine::KernelTable& kernels,
                    int num_threads, const ThreadPool::Poll& poll) {
    struct Band {
        std::size_t level;
        std::int64_t begin;
        std::int64_t end;
    };
    constexpr std::int64_t kBandRows = 32;
    std::vector<engine::AreaColumns> columns(levels.size());
    std::vector<Band> bands;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        columns[i].assign(whole_span(image.width), levels[i].width);
        for (std::int64_t row = 0; row < levels[i].height; row += kBandRows) {
            bands.push_back({i, row, std::min<std::int64_t>(row + kBandRows, levels[i].height)});
        }
    }
    std::vector<std::vector<std::uint32_t>> sums(static_cast<std::size_t>(std::max(num_threads, 1)));
    const CropWindow window = whole_window(image.height, image.width);
    const auto resize_band = [&](std::int64_t task, int worker) {
        const Band& band = bands[static_cast<std::size_t>(task)];
        const ResizedLevel& level = levels[band.level];
        std::vector<std::uint32_t>& row = sums[static_cast<std::size_t>(worker)];
        row.resize(engine::row_of_sums(image.width));
        kernels.resample_to_planes({image, window, columns[band.level].bins(), level.height}, band.begin, band.end,
                                   row.data(), level.out);
    };
    ThreadPool::shared().run(static_cast<std::int64_t>(bands.size()), num_threads, resize_band, poll);
}

}  // namespace mtcnn_fast
