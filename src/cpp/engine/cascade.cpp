#include "cpp/engine/cascade.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/boxes.h"
#include "common/crop_window.h"
#include "cpp/engine/candidates.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/coarse_levels.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/engine/probability.h"
#include "cpp/engine/pyramid_level.h"
#include "cpp/engine/worker.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Seconds that a task spent on each of the two stages that it fuses, and the images it worked for.
struct TaskTime {
    double first = 0.0;
    double second = 0.0;
};

struct TileTask {
    std::int32_t image;
    std::int32_t level;
    std::int32_t row_begin, row_end, column_begin, column_end;
    std::vector<Cell> cells;
    TaskTime time;

    std::int64_t area() const { return std::int64_t{row_end - row_begin} * (column_end - column_begin); }
};

// A part of an image that coarse levels are resampled from.
struct BandTask {
    std::int32_t image;
    std::int32_t number;
    TaskTime time;
};

// One image of the batch on its way through the cascade.
struct ImageState {
    ImageCandidates candidates;
    std::vector<PyramidLevel> levels;
    CoarseLevels coarse;
    std::size_t first = 0;  // index of its first candidate among those of the batch
};

// Splits n into equal parts of at most `most`, rounded up to a multiple of 4.
std::int32_t part_size(std::int32_t n, std::int32_t most) {
    const std::int32_t parts = (n + most - 1) / most;
    return ((n + parts - 1) / parts + 3) / 4 * 4;
}

}  // namespace

// One call of Cascade.
class Detection {
  public:
    Detection(Cascade& cascade, std::span<const ImageView> images, const CascadeSettings& settings,
              const Runner& runner, int workers, bool profile, bool trace)
        : cascade_(cascade),
          settings_(settings),
          runner_(runner),
          workers_(static_cast<std::size_t>(workers)),
          profile_(profile),
          trace_(trace),
          results_(images.size()) {
        images_.reserve(images.size());
        for (const ImageView& view : images) images_.push_back({ImageCandidates(view, settings, trace), {}, {}, 0});
    }

    Detection(const Detection&) = delete;
    Detection& operator=(const Detection&) = delete;

    ~Detection() {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (workers_[i]) cascade_.give_worker(i, std::move(workers_[i]));
        }
    }

    std::vector<Detections> detect() {
        propose();
        return refine(true);
    }

    std::vector<FilterDifferences> filter_differences(FilteredNetwork network) {
        propose();
        if (network == FilteredNetwork::kONet) {
            run_rnet(false);
            run_on_crops(onet(), {kONetCrop, kONet}, &cascade_.filters_.onet, settings_.thresholds[2]);
        } else {
            run_on_crops(rnet(), {kRNetCrop, kRNet}, &cascade_.filters_.rnet, settings_.thresholds[1]);
        }
        std::vector<FilterDifferences> found(images_.size());
        for (std::size_t i = 0; i < images_.size(); ++i) {
            const float* const outputs = outputs_of(images_[i]);
            for (std::size_t k = 0; k < images_[i].candidates.size(); ++k) {
                found[i].exact.push_back(outputs[k * kCropOutputs + 1] - outputs[k * kCropOutputs]);
                found[i].filter.push_back(differences_[images_[i].first + k]);
            }
        }
        return found;
    }

    std::vector<Detections> proposals() {
        propose();
        for_images(kProposals,
                   [](ImageState& image, Detections& result, Worker&) { image.candidates.hand_out(result); });
        return std::move(results_);
    }

    std::vector<Detections> faces_in(std::span<const std::vector<Box>> boxes) {
        for (std::size_t i = 0; i < images_.size(); ++i) images_[i].candidates.take_squares_of(boxes[i]);
        // The filters' margins are measured on P-Net's proposals: boxes of the caller's go by them.
        return refine(false);
    }

  private:
    CropNetwork rnet() const {
        return {cascade_.weights_.rnet().stage, cascade_.rnet_, cascade_.weights_.rnet(), cascade_.algorithm_};
    }

    CropNetwork onet() const {
        return {cascade_.weights_.onet().stage, cascade_.onet_, cascade_.weights_.onet(), cascade_.algorithm_};
    }

    // R-Net and O-Net on the candidates.
    std::vector<Detections> refine(bool may_filter) {
        run_rnet(may_filter);
        run_on_crops(onet(), {kONetCrop, kONet}, may_filter ? &cascade_.filters_.onet : nullptr,
                     settings_.thresholds[2]);
        for_images(kOutput, [&](ImageState& image, Detections& result, Worker& worker) {
            image.candidates.finish(outputs_of(image), dropped_of(image), result, worker);
        });
        return std::move(results_);
    }

    void run_rnet(bool may_filter) {
        run_on_crops(rnet(), {kRNetCrop, kRNet}, may_filter ? &cascade_.filters_.rnet : nullptr,
                     settings_.thresholds[1]);
        for_images(kRefinement, [&](ImageState& image, Detections& result, Worker& worker) {
            image.candidates.refine(outputs_of(image), dropped_of(image), result, worker);
        });
    }

    Worker& worker(int i) {
        const auto number = static_cast<std::size_t>(i);
        if (!workers_[number]) workers_[number] = cascade_.take_worker(number);
        return *workers_[number];
    }

    // Proposals of P-Net over all levels, regressed and square.
    void propose() {
        scan();
        for_images(kProposals, [&](ImageState& image, Detections& result, Worker& worker) {
            merge_proposals(image, result, worker);
        });
    }

    // P-Net on every tile of every level, largest tiles first.
    void scan() {
        const double started = now();
        std::size_t budget = kCoarseBytes;
        for (std::size_t i = 0; i < images_.size(); ++i) plan_tiles(static_cast<std::int32_t>(i), budget);
        resample_coarse_levels();
        std::vector<std::size_t> order(tiles_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return tiles_[a].area() > tiles_[b].area(); });
        const float floor = logit_floor(settings_.thresholds[0]);
        runner_(static_cast<std::int64_t>(tiles_.size()), [&](std::int64_t i, int w) {
            TileTask& task = tiles_[order[static_cast<std::size_t>(i)]];
            const ImageState& image = images_[static_cast<std::size_t>(task.image)];
            const PyramidLevel& level = image.levels[static_cast<std::size_t>(task.level)];
            Worker& memory = worker(w);
            const ImageView& view = image.candidates.view();
            PNetTile tile{level.resampling(view),   level.planes,    task.row_begin,          task.row_end,
                          task.column_begin,        task.column_end, settings_.thresholds[0], floor,
                          profile_ ? now : nullptr, &task.time.first};
            const RoughPNet& rough = cascade_.rough_;
            std::optional<PNetFilter> filter;
            if (rough.kernel != nullptr) {
                tile.filter = &filter.emplace(PNetFilter{*rough.kernel, *rough.weights, floor - rough.margin,
                                                         memory.rough_rows.data(), memory.rough_bytes.data()});
            }
            const double begin = profile_ ? now() : 0.0;
            const int n =
                cascade_.kernels_.pnet_tile(tile, cascade_.weights_.pnet(), cascade_.algorithm_, memory.scratch.data(),
                                            memory.sums(view.width), memory.cells.data());
            task.cells.assign(memory.cells.begin(), memory.cells.begin() + n);
            if (profile_) task.time.second = now() - begin - task.time.first;
        });
        if (profile_) {
            const double seconds = now() - started;
            const double scale = seconds / (total(tiles_) + total(bands_));
            for (const BandTask& task : bands_) {
                results_[static_cast<std::size_t>(task.image)].seconds[kPyramid] += task.time.first * scale;
            }
            for (const TileTask& task : tiles_) {
                auto& times = results_[static_cast<std::size_t>(task.image)].seconds;
                times[kPyramid] += task.time.first * scale;
                times[kPNet] += task.time.second * scale;
            }
        }
    }

    void resample_coarse_levels() {
        if (bands_.empty()) return;
        runner_(static_cast<std::int64_t>(bands_.size()), [&](std::int64_t i, int w) {
            BandTask& task = bands_[static_cast<std::size_t>(i)];
            const ImageState& image = images_[static_cast<std::size_t>(task.image)];
            const ImageView& view = image.candidates.view();
            const double begin = profile_ ? now() : 0.0;
            CoarseLevel levels[kCoarseTogether];
            const int count = image.coarse.of_task(view, image.levels, task.number, levels);
            if (count > 0) cascade_.kernels_.resample_levels(levels, count, worker(w).coarse_sums(view.width));
            if (profile_) task.time.first = now() - begin;
        });
    }

    void plan_tiles(std::int32_t index, std::size_t& budget) {
        ImageState& image = images_[static_cast<std::size_t>(index)];
        const ImageView& view = image.candidates.view();
        const auto shorter = static_cast<double>(std::min(view.height, view.width));
        // The scales are products as in the paper's code.
        // NOLINTNEXTLINE(bugprone-float-loop-counter)
        for (double s = kCellSize / settings_.min_face_size; shorter * s >= kCellSize; s *= settings_.factor) {
            if (kCellSize / s <= settings_.max_face_size) image.levels.emplace_back(view, s);
        }
        // Every band reads some rows of the next, so one thread takes the image as a whole.
        const auto bands = static_cast<std::int64_t>(workers_.size() > 1 ? 2 * workers_.size() : 1);
        image.coarse.assign(view, image.levels, bands, budget);
        for (std::int32_t k = 0; k < image.coarse.tasks(); ++k) bands_.push_back({index, k, {}});
        for (std::size_t k = 0; k < image.levels.size(); ++k) {
            const PyramidLevel& level = image.levels[k];
            const std::int32_t height = part_size(level.rows, kTileRows);
            const std::int32_t width = part_size(level.columns, kTileColumns);
            for (std::int32_t row = 0; row < level.rows; row += height) {
                for (std::int32_t column = 0; column < level.columns; column += width) {
                    tiles_.push_back({index,
                                      static_cast<std::int32_t>(k),
                                      row,
                                      std::min(row + height, level.rows),
                                      column,
                                      std::min(column + width, level.columns),
                                      {},
                                      {}});
                }
            }
        }
    }

    static TaskTime of(const TileTask& task) { return task.time; }
    static TaskTime of(const BandTask& task) { return task.time; }
    static TaskTime of(const TaskTime& time) { return time; }

    template <class Tasks>
    static double total(const Tasks& tasks) {
        double sum = 1e-12;
        for (const auto& task : tasks) sum += of(task).first + of(task).second;
        return sum;
    }

    // Runs work(image, result, worker) for every image.
    template <class Work>
    void for_images(Stage stage, Work work) {
        runner_(static_cast<std::int64_t>(images_.size()), [&](std::int64_t i, int w) {
            const double begin = profile_ ? now() : 0.0;
            Detections& result = results_[static_cast<std::size_t>(i)];
            work(images_[static_cast<std::size_t>(i)], result, worker(w));
            if (profile_) result.seconds[stage] += now() - begin;
        });
    }

    // The last network's outputs for the image's candidates.
    const float* outputs_of(const ImageState& image) const { return outputs_.data() + image.first * kCropOutputs; }

    // Which of them its filter has dropped; null without one.
    const std::uint8_t* dropped_of(const ImageState& image) const {
        return dropped_.empty() ? nullptr : dropped_.data() + image.first;
    }

    // The cells of all tiles of an image become boxes, scale by scale.
    void merge_proposals(ImageState& image, Detections& result, Worker& worker) {
        const auto index = static_cast<std::int32_t>(&image - images_.data());
        std::vector<Cell> cells;
        auto task = std::lower_bound(tiles_.begin(), tiles_.end(), index,
                                     [](const TileTask& tile, std::int32_t i) { return tile.image < i; });
        for (std::size_t k = 0; k < image.levels.size(); ++k) {
            cells.clear();
            for (; task != tiles_.end() && task->image == index && std::cmp_equal(task->level, k); ++task) {
                cells.insert(cells.end(), task->cells.begin(), task->cells.end());
            }
            image.candidates.add_cells(cells, image.levels[k].scale, worker);
        }
        image.candidates.merge(result, worker);
    }

    // The two stages that run_on_crops is timed as.
    struct CropTimes {
        Stage crop;
        Stage network;
    };

    // A crop network, and its filter if there is one, on the candidates of all images, in chunks that keep every worker
    // busy.
    void run_on_crops(const CropNetwork& network, CropTimes timed_as, const CropFilter* filter, float threshold) {
        const double started = now();
        const bool filtered = filter != nullptr && filter->run != nullptr;
        owners_.clear();
        for (std::size_t i = 0; i < images_.size(); ++i) {
            images_[i].first = owners_.size();
            owners_.insert(owners_.end(), images_[i].candidates.size(), static_cast<std::int32_t>(i));
        }
        outputs_.resize(owners_.size() * kCropOutputs);
        differences_.resize(filtered ? owners_.size() : 0);
        dropped_.resize(differences_.size());
        const FilteredCrops crops{outputs_.data(), differences_.data(), dropped_.data(), trace_};
        const float floor = filtered ? logit_floor(threshold) - filter->margin : 0.0f;
        const std::size_t share = (owners_.size() + 2 * workers_.size() - 1) / (2 * workers_.size());
        const std::size_t chunk = std::clamp<std::size_t>(share, 1, filtered ? kFilteredChunk : kCropBlock);
        std::vector<TaskTime> times((owners_.size() + chunk - 1) / chunk);
        runner_(static_cast<std::int64_t>(times.size()), [&](std::int64_t t, int w) {
            const std::size_t begin = static_cast<std::size_t>(t) * chunk;
            const std::size_t end = std::min(begin + chunk, owners_.size());
            Worker& memory = worker(w);
            TaskTime& time = times[static_cast<std::size_t>(t)];
            const double begun = profile_ ? now() : 0.0;
            const auto crop = [&](std::size_t first, std::size_t count, float* out) {
                const double t0 = profile_ ? now() : 0.0;
                crop_candidates(network, first, count, memory, out);
                if (profile_) time.first += now() - t0;
            };
            if (filtered) {
                run_filtered(network, *filter, floor, begin, end, crop, memory, crops);
            } else {
                crop(begin, end - begin, memory.crops.data());
                network.kernel.run(network.weights, network.algorithm, memory.crops.data(),
                                   static_cast<int>(end - begin), memory.scratch.data(),
                                   outputs_.data() + begin * kCropOutputs);
            }
            if (profile_) time.second = now() - begun - time.first;
        });
        if (profile_ && !times.empty()) share_out(times, now() - started, chunk, timed_as);
    }

    // The pixels of `count` candidates from `first` on.
    void crop_candidates(const CropNetwork& network, std::size_t first, std::size_t count, Worker& memory,
                         float* out) const {
        const int size = network.stage.size;
        for (std::size_t i = first; i < first + count; ++i, out += network.crop_floats()) {
            const ImageState& image = images_[static_cast<std::size_t>(owners_[i])];
            const ImageView& view = image.candidates.view();
            const CropWindow window = image.candidates.window(i - image.first);
            memory.columns.assign(window.x, size);
            cascade_.kernels_.resample_to_pixels({view, window, memory.columns.bins(), size}, memory.sums(view.width),
                                                 out);
        }
    }

    // Shares `seconds` out over the images, in proportion to the time of their chunks.
    void share_out(const std::vector<TaskTime>& times, double seconds, std::size_t chunk, CropTimes timed_as) {
        const double scale = seconds / total(times);
        for (std::size_t i = 0; i < owners_.size(); ++i) {
            const TaskTime& time = times[i / chunk];
            const std::size_t begin = i / chunk * chunk;
            const double part = scale / static_cast<double>(std::min(begin + chunk, owners_.size()) - begin);
            auto& of_image = results_[static_cast<std::size_t>(owners_[i])].seconds;
            of_image[timed_as.crop] += time.first * part;
            of_image[timed_as.network] += time.second * part;
        }
    }

    Cascade& cascade_;
    const CascadeSettings& settings_;
    const Runner& runner_;
    std::vector<std::unique_ptr<Worker>> workers_;
    const bool profile_;
    const bool trace_;
    std::vector<ImageState> images_;
    std::vector<Detections> results_;
    std::vector<TileTask> tiles_;
    std::vector<BandTask> bands_;
    std::vector<std::int32_t> owners_;  // the image of each candidate of the batch
    std::vector<float> outputs_;
    std::vector<float> differences_;     // of the logits by the filter
    std::vector<std::uint8_t> dropped_;  // by the filter; empty where there is none
};

Cascade::Cascade(const NetworkWeights& weights, const KernelTable& kernels, Algorithm algorithm,
                 const CropFilters& filters, const RoughPNet& rough)
    : weights_(weights),
      kernels_(kernels),
      algorithm_(algorithm),
      filters_(filters),
      rough_(rough),
      rnet_(crop_kernel(kernels, weights.rnet())),
      onet_(crop_kernel(kernels, weights.onet())) {}

Cascade::~Cascade() = default;

// Threads do not wait for the mutex: if another thread held it when this process was forked, it stays locked.
std::unique_ptr<Worker> Cascade::take_worker(std::size_t number) {
    {
        const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (lock) {
            const auto own =
                std::find_if(idle_.begin(), idle_.end(), [&](const Idle& idle) { return idle.number == number; });
            if (own != idle_.end()) {
                std::unique_ptr<Worker> worker = std::move(own->worker);
                idle_.erase(own);
                return worker;
            }
        }
    }
    return std::make_unique<Worker>(std::max({kernels_.pnet_scratch, rnet_.scratch, onet_.scratch}), filters_.scratch(),
                                    filters_.crop_blocks(), rough_);
}

void Cascade::give_worker(std::size_t number, std::unique_ptr<Worker> worker) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (lock) idle_.push_back({number, std::move(worker)});
}

std::vector<Detections> Cascade::detect(std::span<const ImageView> images, const CascadeSettings& settings,
                                        const Runner& runner, int workers, bool profile, bool trace) {
    return Detection(*this, images, settings, runner, workers, profile, trace).detect();
}

std::vector<FilterDifferences> Cascade::filter_differences(std::span<const ImageView> images, FilteredNetwork network,
                                                           const CascadeSettings& settings, const Runner& runner,
                                                           int workers) {
    // As for a trace, the network runs on all.
    return Detection(*this, images, settings, runner, workers, false, true).filter_differences(network);
}

std::vector<Detections> Cascade::propose(std::span<const ImageView> images, const CascadeSettings& settings,
                                         const Runner& runner, int workers) {
    return Detection(*this, images, settings, runner, workers, false, false).proposals();
}

std::vector<Detections> Cascade::refine(std::span<const ImageView> images, std::span<const std::vector<Box>> boxes,
                                        const CascadeSettings& settings, const Runner& runner, int workers) {
    return Detection(*this, images, settings, runner, workers, false, false).faces_in(boxes);
}

}  // namespace mtcnn_fast::engine
