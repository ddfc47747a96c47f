#include "cuda/refine.h"

#include "cuda/select_kernels.h"

namespace mtcnn_fast::cuda {
namespace {

constexpr int kThreads = 256;

struct FilterSelector {
    FilterArguments a;

    __device__ bool take(int64_t i) const {
        if (i >= a.length || (a.count != nullptr && i >= *a.count)) return false;
        return a.valid[i] != 0 && a.in.scores[i] > a.threshold;
    }

    __device__ void put(int64_t i, int64_t slot) const {
        const Box box = a.in.boxes[i];
        a.out.boxes[slot] = box;
        a.out.scores[slot] = a.in.scores[i];
        a.out.images[slot] = a.in.images[i];
        if (a.out.offsets != nullptr) a.out.offsets[slot] = a.in.offsets[i];
        if (a.points == nullptr) return;
        const float* point = a.points + i * 2 * kLandmarks;
        float* landmark = a.out.landmarks + slot * 2 * kLandmarks;
        for (int k = 0; k < kLandmarks; ++k) {
            landmark[2 * k] = landmark_coordinate(box.x1, box.x2, point[k]);
            landmark[2 * k + 1] = landmark_coordinate(box.y1, box.y2, point[kLandmarks + k]);
        }
    }
};

__global__ void __launch_bounds__(kThreads) gather_kernel(GatherArguments a) {
    const int64_t k = int64_t{blockIdx.x} * kThreads + threadIdx.x;
    const int64_t count = *a.count < a.capacity ? *a.count : a.capacity;
    if (k == 0 && a.out_count != nullptr) *a.out_count = static_cast<int32_t>(count);
    if (k == 0 && a.wanted != nullptr) *a.wanted = *a.count;
    if (k >= count) return;
    const int64_t i = a.kept == nullptr ? k : a.kept[k];
    Box box = a.in.boxes[i];
    if (a.regress) box = regress(box, a.in.offsets[i], a.inclusive ? 1.0f : 0.0f, a.coding);
    a.out.boxes[k] = a.square ? square(box) : box;
    if (a.out.scores != nullptr) a.out.scores[k] = a.in.scores[i];
    if (a.out.offsets != nullptr) a.out.offsets[k] = a.in.offsets[i];
    if (a.out.images != nullptr) a.out.images[k] = a.in.images[i];
    if (a.out.landmarks == nullptr) return;
    for (int c = 0; c < 2 * kLandmarks; ++c)
        a.out.landmarks[k * 2 * kLandmarks + c] = a.in.landmarks[i * 2 * kLandmarks + c];
}

// Order of the result: score descending, then corners ascending, then place in the list.
__device__ __forceinline__ bool comes_before(const Candidates& list, int64_t i, int64_t j) {
    if (list.scores[i] != list.scores[j]) return list.scores[i] > list.scores[j];
    const Box a = list.boxes[i], b = list.boxes[j];
    if (a.x1 != b.x1) return a.x1 < b.x1;
    if (a.y1 != b.y1) return a.y1 < b.y1;
    if (a.x2 != b.x2) return a.x2 < b.x2;
    if (a.y2 != b.y2) return a.y2 < b.y2;
    return i < j;
}

// A face whose regression left the finite numbers is no face.
__device__ __forceinline__ bool is_face(const Candidates& list, int64_t i) {
    const float* box = &list.boxes[i].x1;
    float sum = 0.0f;
    // Zero times a number is zero, and times NaN or infinity NaN.
    for (int c = 0; c < 4; ++c) sum += 0.0f * box[c];
    for (int c = 0; c < 2 * kLandmarks; ++c) sum += 0.0f * list.landmarks[i * 2 * kLandmarks + c];
    return sum == 0.0f;
}

// A face's place is the number of faces of its image that come before it: quadratic, but for few faces.
__global__ void __launch_bounds__(kThreads) pack_faces_kernel(PackArguments a) {
    const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
    const int64_t count = *a.count < a.capacity ? *a.count : a.capacity;
    if (i < kLists - 1 && a.wanted[i] > a.limits[i]) atomicAdd(a.overflow, 1);
    if (i >= count) return;
    const int32_t image = a.in.images[i];
    if (image < 0 || image >= a.image_count) return;
    int64_t first = i, rank = 0, total = 0;
    while (first > 0 && a.in.images[first - 1] == image) --first;
    for (int64_t j = first; j < count && a.in.images[j] == image; ++j) {
        if (!is_face(a.in, j)) continue;
        ++total;
        rank += comes_before(a.in, j, i);
    }
    if (first == i) {
        a.counts[image] = static_cast<int32_t>(total < a.faces ? total : a.faces);
        atomicMax(a.wanted + kLists - 1, static_cast<int32_t>(total));
        if (total > a.faces) atomicAdd(a.overflow, 1);
    }
    if (rank >= a.faces || !is_face(a.in, i)) return;
    const int64_t to = image * a.faces + rank;
    a.boxes[to] = a.in.boxes[i];
    a.scores[to] = a.in.scores[i];
    for (int c = 0; c < 2 * kLandmarks; ++c) {
        a.landmarks[to * 2 * kLandmarks + c] = a.in.landmarks[i * 2 * kLandmarks + c];
    }
}

unsigned blocks_for(int64_t items) { return static_cast<unsigned>(divide_up<int64_t>(items, kThreads)); }

}  // namespace

size_t filter_workspace_size(int64_t length) {
    return static_cast<size_t>(select_chunks(length < 1 ? 1 : length)) * sizeof(int32_t);
}

void filter_candidates(const FilterArguments& a, void* workspace, size_t workspace_size, cudaStream_t stream) {
    require(a.length >= 0 && a.output.capacity >= 0, "lists must not have a negative length");
    require(a.output.count != nullptr && a.output.selected != nullptr,
            "count and selected must be device memory, got a null pointer");
    require(a.length == 0 ||
                (a.in.boxes != nullptr && a.in.scores != nullptr && a.in.images != nullptr && a.valid != nullptr),
            "boxes, scores, images and valid must be device memory, got a null pointer");
    const size_t needed = filter_workspace_size(a.length);
    require(workspace != nullptr && workspace_size >= needed,
            "workspace must have at least " + std::to_string(needed) + " bytes, got " + std::to_string(workspace_size));
    const std::string shapes = std::to_string(a.length) + " candidates, capacity " + std::to_string(a.output.capacity);
    select("filter_candidates", shapes, FilterSelector{a}, a.length, static_cast<int32_t*>(workspace), a.output,
           stream);
}

void gather_candidates(const GatherArguments& a, cudaStream_t stream) {
    require(a.capacity >= 0, "lists must not have a negative length");
    require(a.count != nullptr && (a.capacity == 0 || (a.in.boxes != nullptr && a.out.boxes != nullptr)),
            "boxes and count must be device memory, got a null pointer");
    require(!a.regress || a.in.offsets != nullptr, "offsets must be device memory to regress by, got a null pointer");
    // At least one block, for the counts.
    const dim3 grid(blocks_for(a.capacity == 0 ? 1 : a.capacity));
    launch({"gather_candidates", std::to_string(a.capacity) + " candidates", grid, kThreads, stream}, gather_kernel, a);
}

void pack_faces(const PackArguments& a, cudaStream_t stream) {
    require(a.capacity >= 0 && a.faces >= 0 && a.image_count >= 0, "lists must not have a negative length");
    require(a.wanted != nullptr && a.overflow != nullptr,
            "wanted and overflow must be device memory, got a null pointer");
    const std::string shapes =
        std::to_string(a.capacity) + " faces into " + std::to_string(a.image_count) + " x " + std::to_string(a.faces);
    const size_t slots = static_cast<size_t>(a.image_count) * static_cast<size_t>(a.faces);
    const auto clear = [&](void* memory, size_t bytes) {
        if (bytes != 0) check(cudaMemsetAsync(memory, 0, bytes, stream), "pack_faces (" + shapes + ")");
    };
    clear(a.wanted + kLists - 1, sizeof(int32_t));
    clear(a.overflow, sizeof(int32_t));
    clear(a.counts, static_cast<size_t>(a.image_count) * sizeof(int32_t));
    clear(a.boxes, slots * sizeof(Box));
    clear(a.scores, slots * sizeof(float));
    clear(a.landmarks, slots * 2 * kLandmarks * sizeof(float));
    // At least one block, for the lists before this one.
    const dim3 grid(blocks_for(a.capacity == 0 ? 1 : a.capacity));
    launch({"pack_faces", shapes, grid, kThreads, stream}, pack_faces_kernel, a);
}

}  // namespace mtcnn_fast::cuda
