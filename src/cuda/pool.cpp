#include "cuda/pool.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <string>

#include "cuda/driver.h"
#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

// Whose memory any stream may use. No stream has this handle.
cudaStream_t nobody() { return reinterpret_cast<cudaStream_t>(~uintptr_t{0}); }

constexpr size_t kLeast = 512;
// In requests for memory; a detection makes some 45.
constexpr uint64_t kUnused = 8192;
constexpr uint64_t kBetweenSweeps = 1024;
// Blocks that wait for the device before one wait serves all.
constexpr size_t kMostParked = 64;

}  // namespace

Pool::Pool(int device) : device_(device), process_(::getpid()) { hold_context(device); }

Pool::~Pool() {
    if (forked()) return;
    try {
        trim();
    } catch (const std::exception&) {  // the process ends, or the device has failed: its memory goes with it
    }
}

bool Pool::forked() const noexcept { return ::getpid() != process_; }

void Pool::check_process() const {
    if (forked()) throw CudaError(kForkedProblem);
}

size_t Pool::rounded(size_t bytes) {
    if (bytes <= kLeast) return kLeast;
    const size_t unit = std::max(kLeast, std::bit_floor(bytes - 1) / 4);
    return (bytes + unit - 1) / unit * unit;
}

Block Pool::pop(cudaStream_t stream, size_t bytes) {
    for (auto list = idle_.lower_bound({stream, bytes}); list != idle_.end(); ++list) {
        const auto [owner, size] = list->first;
        if (owner != stream || size > 2 * bytes) break;
        if (list->second.empty()) continue;
        const Block block{list->second.back().data, size};
        list->second.pop_back();
        return block;
    }
    return {};
}

Block Pool::find(size_t bytes, cudaStream_t stream) {
    check_process();
    const std::lock_guard lock(mutex_);
    ++requests_;
    const Block block = pop(stream, bytes);
    return block.data != nullptr ? block : pop(nobody(), bytes);
}

Block Pool::allocate(size_t bytes) {
    check_process();
    take_back_parked();
    const DeviceGuard guard(device_);
    void* memory = nullptr;
    cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        trim();
        error = cudaMalloc(&memory, bytes);
    }
    const std::string where = "cudaMalloc of " + std::to_string(bytes) + " bytes on device " + std::to_string(device_);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        throw OutOfMemory(where + ": out of memory");
    }
    check(error, where);
    reserved_ += bytes;
    return {memory, bytes};
}

void Pool::give(Block block, cudaStream_t stream, bool elsewhere) noexcept {
    if (forked()) return;
    try {
        const std::lock_guard lock(mutex_);
        if (elsewhere) {
            parked_.push_back(block);
        } else {
            idle_[{stream, block.bytes}].push_back({block.data, requests_});
        }
    } catch (const std::exception&) {  // no memory for the list: the block is lost until the process ends
    }
}

void Pool::take_back_parked() {
    std::vector<Block> blocks;
    {
        const std::lock_guard lock(mutex_);
        if (parked_.size() < kMostParked) return;
        blocks.swap(parked_);
    }
    {
        const DeviceGuard guard(device_);
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }
    const std::lock_guard lock(mutex_);
    for (const Block& block : blocks) idle_[{nobody(), block.bytes}].push_back({block.data, requests_});
}

void Pool::release(const std::vector<Block>& blocks) {
    if (blocks.empty()) return;
    const DeviceGuard guard(device_);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (const Block& block : blocks) {
        check(cudaFree(block.data), "cudaFree");
        reserved_ -= block.bytes;
    }
}

void Pool::trim() {
    check_process();
    std::vector<Block> blocks;
    std::vector<PinnedBlock> pinned;
    {
        const std::lock_guard lock(mutex_);
        blocks.swap(parked_);
        pinned.swap(pinned_);
        for (const auto& [key, list] : idle_) {
            for (const Idle& block : list) blocks.push_back({block.data, key.second});
        }
        idle_.clear();
    }
    release(blocks);
    if (pinned.empty()) return;
    const DeviceGuard guard(device_);
    for (const PinnedBlock& block : pinned) {
        if (block.pending) check(cudaEventSynchronize(block.event), "cudaEventSynchronize");
        if (block.event != nullptr) check(cudaEventDestroy(block.event), "cudaEventDestroy");
        check(cudaFreeHost(block.data), "cudaFreeHost");
    }
}

void Pool::age() {
    std::vector<Block> blocks;
    {
        const std::lock_guard lock(mutex_);
        if (requests_ - aged_ < kBetweenSweeps) return;
        aged_ = requests_;
        blocks.swap(parked_);
        for (auto& [key, list] : idle_) {
            // The last one is used again first, so the oldest come first.
            const auto recent = std::find_if(list.begin(), list.end(),
                                             [&](const Idle& block) { return requests_ - block.since <= kUnused; });
            for (auto block = list.begin(); block != recent; ++block) blocks.push_back({block->data, key.second});
            list.erase(list.begin(), recent);
        }
        std::erase_if(idle_, [](const auto& entry) { return entry.second.empty(); });
    }
    release(blocks);
}

void Pool::retire(cudaStream_t stream) noexcept {
    try {
        const std::lock_guard lock(mutex_);
        for (auto entry = idle_.lower_bound({stream, 0}); entry != idle_.end() && entry->first.first == stream;) {
            std::vector<Idle>& list = idle_[{nobody(), entry->first.second}];
            list.insert(list.end(), entry->second.begin(), entry->second.end());
            entry = idle_.erase(entry);
        }
    } catch (const std::exception&) {  // as in give()
    }
}

PinnedBlock Pool::take_pinned(size_t bytes) {
    check_process();
    const DeviceGuard guard(device_);
    {
        const std::lock_guard lock(mutex_);
        for (auto block = pinned_.begin(); block != pinned_.end(); ++block) {
            if (block->bytes != bytes) continue;
            if (block->pending) {
                const cudaError_t error = cudaEventQuery(block->event);
                if (error == cudaErrorNotReady) {
                    cudaGetLastError();
                    continue;
                }
                check(error, "cudaEventQuery");
            }
            PinnedBlock found = *block;
            found.pending = false;
            pinned_.erase(block);
            return found;
        }
    }
    PinnedBlock made;
    made.bytes = bytes;
    void* memory = nullptr;
    const std::string where = "cudaMallocHost of " + std::to_string(bytes) + " bytes";
    const cudaError_t error = cudaMallocHost(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        throw OutOfMemory(where + ": out of memory");
    }
    check(error, where);
    made.data = static_cast<char*>(memory);
    return made;
}

void Pool::give_pinned(PinnedBlock block) noexcept {
    if (forked()) return;
    try {
        const std::lock_guard lock(mutex_);
        pinned_.push_back(block);
    } catch (const std::exception&) {  // as in give()
    }
}

Stream::Stream(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {
    pool_->check_process();
    const DeviceGuard guard(pool_->device());
    check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Stream::~Stream() {
    if (!own_ || pool_->forked()) return;
    try {
        const DeviceGuard guard(pool_->device());
        // If the device has failed, so has all that was queued.
        cudaStreamSynchronize(handle_);
        pool_->retire(handle_);
        cudaStreamDestroy(handle_);
        cudaGetLastError();
    } catch (const std::exception&) {  // the driver is gone at the end of the process
    }
}

void Stream::synchronise() const {
    pool_->check_process();
    const DeviceGuard guard(pool_->device());
    check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize");
}

PinnedMemory::PinnedMemory(std::shared_ptr<Stream> stream, size_t bytes)
    : stream_(std::move(stream)), block_(stream_->pool()->take_pinned(Pool::rounded(bytes))), size_(bytes) {}

PinnedMemory::~PinnedMemory() {
    Pool& pool = *stream_->pool();
    if (pool.forked()) return;
    if (queued_) {
        try {
            const DeviceGuard guard(pool.device());
            if (block_.event == nullptr) {
                check(cudaEventCreateWithFlags(&block_.event, cudaEventDisableTiming), "cudaEventCreate");
            }
            check(cudaEventRecord(block_.event, stream_->handle()), "cudaEventRecord");
            block_.pending = true;
        } catch (const std::exception&) {
            return;  // the device has failed; the memory stays as it is, because copies may be under way
        }
    }
    pool.give_pinned(block_);
}

void PinnedMemory::send(size_t first, void* target, size_t bytes) {
    require(first <= size_ && bytes <= size_ - first, "the copy must lie within the pinned memory");
    stream_->pool()->check_process();
    const DeviceGuard guard(stream_->pool()->device());
    queued_ = true;
    check(cudaMemcpyAsync(target, block_.data + first, bytes, cudaMemcpyHostToDevice, stream_->handle()),
          "cudaMemcpyAsync to the device");
}

void PinnedMemory::receive(size_t first, const void* source, size_t bytes) {
    require(first <= size_ && bytes <= size_ - first, "the copy must lie within the pinned memory");
    stream_->pool()->check_process();
    const DeviceGuard guard(stream_->pool()->device());
    queued_ = true;
    check(cudaMemcpyAsync(block_.data + first, source, bytes, cudaMemcpyDeviceToHost, stream_->handle()),
          "cudaMemcpyAsync from the device");
}

void PinnedMemory::wait() {
    stream_->synchronise();
    queued_ = false;
}

}  // namespace mtcnn_fast::cuda
