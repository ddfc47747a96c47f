#include "cpp/engine/cascade.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <tuple>

#include "common/overlap.h"
#include "common/resample.h"
#include "cpp/engine/probability.h"
#include "cpp/engine/pyramid_level.h"
#include "cpp/engine/worker.h"

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

// The candidates of one image between two stages.
struct ImageState {
    ImageView view;
    std::vector<PyramidLevel> levels;
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Box> offsets;
    std::size_t first = 0;  // index of its first candidate among those of the batch
};

// Splits n into equal parts of at most `most`, rounded up to a multiple of 4.
std::int32_t part_size(std::int32_t n, std::int32_t most) {
    const std::int32_t parts = (n + most - 1) / most;
    return ((n + parts - 1) / parts + 3) / 4 * 4;
}

// A logit difference below which the float32 softmax is surely under the threshold. The margins cover the rounding of
// the softmax and of the difference, which the kernels sum in another order.
float logit_floor(float threshold) {
    const double p = std::min(double{threshold}, 1.0) - 2.4e-7;
    if (p <= 0.0) return -std::numeric_limits<float>::max();
    return static_cast<float>(std::log(p / (1.0 - p)) - 1e-3);
}

template <class T>
std::vector<T> gather(const std::vector<T>& values, const std::vector<std::int32_t>& order) {
    std::vector<T> out;
    out.reserve(order.size());
    for (const std::int32_t i : order) out.push_back(values[static_cast<std::size_t>(i)]);
    return out;
}

bool finite(const Box& box) {
    return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) && std::isfinite(box.y2);
}

}  // namespace

// One call of Cascade::detect.
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
          images_(images.size()),
          results_(images.size()) {
        for (std::size_t i = 0; i < images.size(); ++i) images_[i].view = images[i];
    }

    ~Detection() {
        for (auto& worker : workers_) {
            if (worker) cascade_.give_worker(std::move(worker));
        }
    }

    std::vector<Detections> run() {
        propose();
        for_images(kProposals, [&](ImageState& image, Detections& result, Worker& worker) {
            merge_proposals(image, result, worker);
        });
        look(24, kRNetCrop, kRNet);
        for_images(kRefinement,
                   [&](ImageState& image, Detections& result, Worker& worker) { refine(image, result, worker); });
        look(48, kONetCrop, kONet);
        for_images(kOutput,
                   [&](ImageState& image, Detections& result, Worker& worker) { output(image, result, worker); });
        return std::move(results_);
    }

  private:
    Worker& worker(int i) {
        auto& slot = workers_[static_cast<std::size_t>(i)];
        if (!slot) slot = cascade_.take_worker();
        return *slot;
    }

    // P-Net on every tile of every level, largest tiles first.
    void propose() {
        const double started = now();
        for (std::size_t i = 0; i < images_.size(); ++i) plan_tiles(static_cast<std::int32_t>(i));
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
            const PNetTile tile{image.view,      level.bins(),
                                level.height,    task.row_begin,
                                task.row_end,    task.column_begin,
                                task.column_end, settings_.thresholds[0],
                                floor,           profile_ ? now : nullptr,
                                &task.time.first};
            const double begin = profile_ ? now() : 0.0;
            const int n =
                cascade_.kernels_.pnet_tile(tile, cascade_.weights_.pnet(), cascade_.algorithms_, memory.scratch.data(),
                                            memory.vertical(image.view.width), memory.cells.data());
            task.cells.assign(memory.cells.begin(), memory.cells.begin() + n);
            if (profile_) task.time.second = now() - begin - task.time.first;
        });
        if (profile_) {
            const double seconds = now() - started;
            const double scale = seconds / total(tiles_);
            for (const TileTask& task : tiles_) {
                auto& times = results_[static_cast<std::size_t>(task.image)].seconds;
                times[kPyramid] += task.time.first * scale;
                times[kPNet] += task.time.second * scale;
            }
        }
    }

    void plan_tiles(std::int32_t index) {
        ImageState& image = images_[static_cast<std::size_t>(index)];
        const double shorter = static_cast<double>(std::min(image.view.height, image.view.width));
        for (double s = kCellSize / settings_.min_face_size; shorter * s >= kCellSize; s *= settings_.factor) {
            if (kCellSize / s <= settings_.max_face_size) image.levels.emplace_back(image.view, s);
        }
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

    template <class Tasks>
    static double total(const Tasks& tasks) {
        double sum = 1e-12;
        for (const auto& task : tasks) sum += task.time.first + task.time.second;
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

    void record(Detections& result, Step step, const ImageState& image) const {
        if (trace_) result.trace[step] = {image.boxes, image.scores};
    }

    static void keep(ImageState& image, const std::vector<std::int32_t>& order) {
        image.boxes = gather(image.boxes, order);
        image.scores = gather(image.scores, order);
        image.offsets = gather(image.offsets, order);
    }

    void suppress(ImageState& image, float threshold, Worker& worker) const {
        worker.keep.clear();
        nms(image.boxes.data(), image.scores.data(), static_cast<std::int32_t>(image.boxes.size()), threshold,
            Overlap::kIou, worker.keep, worker.nms);
        keep(image, worker.keep);
    }

    // Regression, squaring, and only those that the next stage can crop.
    void regress_and_square(ImageState& image, float extra) const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < image.boxes.size(); ++i) {
            const Box box = square(regress(image.boxes[i], image.offsets[i], extra, settings_.coding));
            if (!crop_window(box, image.view.height, image.view.width, settings_.border).valid()) continue;
            image.boxes[n] = box;
            image.scores[n++] = image.scores[i];
        }
        image.boxes.resize(n);
        image.scores.resize(n);
    }

    // Cells to boxes; suppression within each scale, then over all of them.
    void merge_proposals(ImageState& image, Detections& result, Worker& worker) {
        const auto index = static_cast<std::int32_t>(&image - images_.data());
        std::vector<Cell> cells;
        ImageState level_state;
        const auto first = std::lower_bound(tiles_.begin(), tiles_.end(), index,
                                            [](const TileTask& task, std::int32_t i) { return task.image < i; });
        auto task = first;
        for (std::size_t k = 0; k < image.levels.size(); ++k) {
            cells.clear();
            for (; task != tiles_.end() && task->image == index && task->level == static_cast<std::int32_t>(k);
                 ++task) {
                cells.insert(cells.end(), task->cells.begin(), task->cells.end());
            }
            std::sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) {
                return std::tie(a.row, a.column) < std::tie(b.row, b.column);
            });
            level_state.boxes.clear();
            level_state.scores.clear();
            level_state.offsets.clear();
            for (const Cell& cell : cells) {
                level_state.boxes.push_back(cell_box(cell.row, cell.column, image.levels[k].scale));
                level_state.scores.push_back(cell.score);
                level_state.offsets.push_back(cell.offset);
            }
            suppress(level_state, settings_.nms_thresholds[0], worker);
            const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
            append(image.boxes, level_state.boxes);
            append(image.scores, level_state.scores);
            append(image.offsets, level_state.offsets);
        }
        record(result, kAfterPNet, image);
        suppress(image, settings_.nms_thresholds[1], worker);
        regress_and_square(image, 0.0f);
        record(result, kAfterProposals, image);
    }

    // R-Net (24) or O-Net (48) on the candidates of all images, in chunks that keep every worker busy.
    void look(int size, Stage crop_stage, Stage net_stage) {
        const double started = now();
        std::vector<std::int32_t> owners;
        for (std::size_t i = 0; i < images_.size(); ++i) {
            images_[i].first = owners.size();
            owners.insert(owners.end(), images_[i].boxes.size(), static_cast<std::int32_t>(i));
        }
        outputs_.resize(owners.size() * kOutputs);
        const std::size_t share = (owners.size() + 2 * workers_.size() - 1) / (2 * workers_.size());
        const std::size_t chunk = std::clamp<std::size_t>(share, 1, kCropBlock);
        const std::size_t chunks = (owners.size() + chunk - 1) / chunk;
        std::vector<TaskTime> times(chunks);
        const auto net = size == 24 ? cascade_.kernels_.rnet : cascade_.kernels_.onet;
        const CropNetWeights& weights = size == 24 ? cascade_.weights_.rnet() : cascade_.weights_.onet();
        runner_(static_cast<std::int64_t>(chunks), [&](std::int64_t t, int w) {
            const std::size_t begin = static_cast<std::size_t>(t) * chunk;
            const std::size_t end = std::min(begin + chunk, owners.size());
            Worker& memory = worker(w);
            const double t0 = profile_ ? now() : 0.0;
            float* crop = memory.crops.data();
            for (std::size_t i = begin; i < end; ++i, crop += 3 * size * size) {
                const ImageState& image = images_[static_cast<std::size_t>(owners[i])];
                const CropWindow window =
                    crop_window(image.boxes[i - image.first], image.view.height, image.view.width, settings_.border);
                cascade_.kernels_.crop(image.view, window, size, memory.vertical(image.view.width), crop);
            }
            const double t1 = profile_ ? now() : 0.0;
            net(weights, cascade_.algorithms_, memory.crops.data(), static_cast<int>(end - begin),
                memory.scratch.data(), outputs_.data() + begin * kOutputs);
            if (profile_) times[static_cast<std::size_t>(t)] = {t1 - t0, now() - t1};
        });
        if (!profile_ || chunks == 0) return;
        double sum = 1e-12;
        for (const TaskTime& time : times) sum += time.first + time.second;
        const double scale = (now() - started) / sum;
        for (std::size_t i = 0; i < owners.size(); ++i) {
            const TaskTime& time = times[i / chunk];
            const std::size_t begin = i / chunk * chunk;
            const double part = scale / static_cast<double>(std::min(begin + chunk, owners.size()) - begin);
            auto& seconds = results_[static_cast<std::size_t>(owners[i])].seconds;
            seconds[crop_stage] += time.first * part;
            seconds[net_stage] += time.second * part;
        }
    }

    // Keeps the candidates whose probability exceeds the threshold; returns which they were.
    std::vector<std::int32_t> accept(ImageState& image, float threshold) const {
        std::vector<std::int32_t> accepted;
        image.offsets.resize(image.boxes.size());
        for (std::size_t i = 0; i < image.boxes.size(); ++i) {
            const float* const out = outputs_.data() + (image.first + i) * kOutputs;
            image.scores[i] = face_probability(out[0], out[1]);
            image.offsets[i] = {out[2], out[3], out[4], out[5]};
            if (image.scores[i] > threshold) accepted.push_back(static_cast<std::int32_t>(i));
        }
        keep(image, accepted);
        return accepted;
    }

    void refine(ImageState& image, Detections& result, Worker& worker) const {
        accept(image, settings_.thresholds[1]);
        record(result, kAfterRNet, image);
        suppress(image, settings_.nms_thresholds[2], worker);
        regress_and_square(image, 1.0f);
        record(result, kAfterRefinement, image);
    }

    void output(ImageState& image, Detections& result, Worker& worker) const {
        const std::vector<std::int32_t> accepted = accept(image, settings_.thresholds[2]);
        record(result, kAfterONet, image);
        std::vector<Landmarks> landmarks(accepted.size());
        for (std::size_t i = 0; i < accepted.size(); ++i) {
            const float* const points =
                outputs_.data() + (image.first + static_cast<std::size_t>(accepted[i])) * kOutputs + 6;
            Box& box = image.boxes[i];
            for (std::size_t k = 0; k < 5; ++k) {
                landmarks[i][2 * k] = landmark_coordinate(box.x1, box.x2, points[k]);
                landmarks[i][2 * k + 1] = landmark_coordinate(box.y1, box.y2, points[5 + k]);
            }
            box = regress(box, image.offsets[i], 1.0f, settings_.coding);
        }
        worker.keep.clear();
        nms(image.boxes.data(), image.scores.data(), static_cast<std::int32_t>(image.boxes.size()),
            settings_.nms_thresholds[3], Overlap::kIoMin, worker.keep, worker.nms);
        std::erase_if(worker.keep, [&](std::int32_t i) {
            const Landmarks& points = landmarks[static_cast<std::size_t>(i)];
            return !finite(image.boxes[static_cast<std::size_t>(i)]) ||
                   !std::all_of(points.begin(), points.end(), [](float x) { return std::isfinite(x); });
        });
        if (trace_) {
            result.trace[kAfterOutput] = {gather(image.boxes, worker.keep), gather(image.scores, worker.keep)};
        }
        const auto key = [&](std::int32_t i) {
            const Box& b = image.boxes[static_cast<std::size_t>(i)];
            return std::make_tuple(-image.scores[static_cast<std::size_t>(i)], b.x1, b.y1, b.x2, b.y2);
        };
        std::stable_sort(worker.keep.begin(), worker.keep.end(),
                         [&](std::int32_t a, std::int32_t b) { return key(a) < key(b); });
        if (static_cast<std::int64_t>(worker.keep.size()) > settings_.max_faces) {
            worker.keep.resize(static_cast<std::size_t>(settings_.max_faces));
        }
        result.boxes = gather(image.boxes, worker.keep);
        result.scores = gather(image.scores, worker.keep);
        result.landmarks = gather(landmarks, worker.keep);
    }

    static constexpr std::size_t kOutputs = 16;

    Cascade& cascade_;
    const CascadeSettings& settings_;
    const Runner& runner_;
    std::vector<std::unique_ptr<Worker>> workers_;
    const bool profile_;
    const bool trace_;
    std::vector<ImageState> images_;
    std::vector<Detections> results_;
    std::vector<TileTask> tiles_;
    std::vector<float> outputs_;
};

Cascade::Cascade(const NetworkWeights& weights, const KernelTable& kernels, const Algorithms& algorithms)
    : weights_(weights), kernels_(kernels), algorithms_(algorithms) {}

Cascade::~Cascade() = default;

// Nobody waits for the mutex: another thread may have held it when this process was forked, and it stays locked then.
std::unique_ptr<Worker> Cascade::take_worker() {
    {
        const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (lock && !idle_.empty()) {
            std::unique_ptr<Worker> worker = std::move(idle_.back());
            idle_.pop_back();
            return worker;
        }
    }
    return std::make_unique<Worker>(kernels_);
}

void Cascade::give_worker(std::unique_ptr<Worker> worker) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (lock) idle_.push_back(std::move(worker));
}

std::vector<Detections> Cascade::detect(std::span<const ImageView> images, const CascadeSettings& settings,
                                        const Runner& runner, int workers, bool profile, bool trace) {
    return Detection(*this, images, settings, runner, workers, profile, trace).run();
}

}  // namespace mtcnn_fast::engine
