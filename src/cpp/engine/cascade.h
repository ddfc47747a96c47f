// The cascade on a batch of images (docs/semantics.md): P-Net over tiles of all levels of all images, R-Net and O-Net
// over chunks of all candidates, and the geometry between them image by image. What is computed for an image does not
// depend on the other images, nor on how many threads share the work.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "common/boxes.h"
#include "common/crop_window.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

struct CascadeSettings {
    double min_face_size = 20.0;
    double max_face_size = std::numeric_limits<double>::infinity();
    double factor = 0.709;
    std::array<float, 3> thresholds{0.6f, 0.7f, 0.7f};
    std::array<float, 4> nms_thresholds{0.5f, 0.7f, 0.7f, 0.7f};
    Border border = Border::kZero;
    BoxCoding coding = BoxCoding::kCorner;
    std::int64_t max_faces = std::numeric_limits<std::int64_t>::max();
};

// Stages that are timed and steps that are traced, in the order of mtcnn_fast.backends.stages.
enum Stage { kPyramid, kPNet, kProposals, kRNetCrop, kRNet, kRefinement, kONetCrop, kONet, kOutput, kStages };
enum Step { kAfterPNet, kAfterProposals, kAfterRNet, kAfterRefinement, kAfterONet, kAfterOutput, kSteps };

struct Candidates {
    std::vector<Box> boxes;
    std::vector<float> scores;
};

// x and y of the five points, one after the other.
using Landmarks = std::array<float, 10>;

struct Detections {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Landmarks> landmarks;
    std::array<double, kStages> seconds{};
    std::array<Candidates, kSteps> trace;
};

// Runs task(i, worker) for i = 0 ... n - 1, each once, with workers numbered from 0; returns when all are done.
using Task = std::function<void(std::int64_t, int)>;
using Runner = std::function<void(std::int64_t, const Task&)>;

class Worker;

class Cascade {
  public:
    // `weights` must outlive the cascade.
    Cascade(const NetworkWeights& weights, const KernelTable& kernels, const Algorithms& algorithms);
    ~Cascade();

    const KernelTable& kernels() const { return kernels_; }

    // Safe from many threads at once. `workers` is an upper bound of the runner's worker numbers.
    std::vector<Detections> detect(std::span<const ImageView> images, const CascadeSettings& settings,
                                   const Runner& runner, int workers, bool profile, bool trace);

  private:
    friend class Detection;
    std::unique_ptr<Worker> take_worker();
    void give_worker(std::unique_ptr<Worker> worker);

    const NetworkWeights& weights_;
    const KernelTable& kernels_;
    const Algorithms algorithms_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace mtcnn_fast::engine
