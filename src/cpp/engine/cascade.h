// The cascade on a batch of images (docs/semantics.md): P-Net over tiles of all levels of all images, R-Net and O-Net
// over chunks of all candidates, and the geometry between them image by image. The result for an image does not
// depend on the other images, nor on how many threads share the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

// Runs task(i, worker) for i = 0 ... n - 1, each once, with workers numbered from 0; returns when all are done.
using Task = std::function<void(std::int64_t, int)>;
using Runner = std::function<void(std::int64_t, const Task&)>;

class Worker;

enum class FilteredNetwork { kRNet, kONet };

struct FilterDifferences {
    std::vector<float> exact;
    std::vector<float> filter;
};

class Cascade {
  public:
    // `weights`, and those of the filters, must outlive the cascade.
    Cascade(const NetworkWeights& weights, const KernelTable& kernels, Algorithm algorithm,
            const CropFilters& filters = {}, const RoughPNet& rough = {});
    ~Cascade();
    Cascade(const Cascade&) = delete;
    Cascade& operator=(const Cascade&) = delete;

    // Safe from many threads at once. `workers` is an upper bound of the runner's worker numbers.
    std::vector<Detections> detect(std::span<const ImageView> images, const CascadeSettings& settings,
                                   const Runner& runner, int workers, bool profile, bool trace);

    // The differences of a network's two logits for its windows in each image, computed exactly and by its filter, of
    // which there must be one. The windows are those without filters.
    std::vector<FilterDifferences> filter_differences(std::span<const ImageView> images, FilteredNetwork network,
                                                      const CascadeSettings& settings, const Runner& runner,
                                                      int workers);

    // What P-Net proposes in each image, regressed and square: boxes and scores (sections 1 and 2).
    std::vector<Detections> propose(std::span<const ImageView> images, const CascadeSettings& settings,
                                    const Runner& runner, int workers);

    // The faces in the given boxes of each image, which are enlarged to squares (sections 3 and 4). There is one list
    // of boxes for each image.
    std::vector<Detections> refine(std::span<const ImageView> images, std::span<const std::vector<Box>> boxes,
                                   const CascadeSettings& settings, const Runner& runner, int workers);

  private:
    friend class Detection;
    // The memory that the thread of this number had in an earlier call, which may still lie in its cache; else new.
    std::unique_ptr<Worker> take_worker(std::size_t number);
    void give_worker(std::size_t number, std::unique_ptr<Worker> worker);

    struct Idle {
        std::size_t number;
        std::unique_ptr<Worker> worker;
    };

    const NetworkWeights& weights_;
    const KernelTable& kernels_;
    const Algorithm algorithm_;
    const CropFilters filters_;
    const RoughPNet rough_;
    const CropKernel rnet_;
    const CropKernel onet_;
    std::mutex mutex_;
    std::vector<Idle> idle_;
};

}  // namespace mtcnn_fast::engine
