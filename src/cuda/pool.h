// Streams, device memory and pinned memory of one device, for work that no other library lends them to.
//
// Memory belongs to a stream: it may be used there at once, and what is given back is used again there alone, behind
// the work that is queued. So nothing waits. Only cudaMalloc and its kin are used, which every device has.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>
#include <sys/types.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mtcnn_fast::cuda {

struct Block {
    void* data = nullptr;
    size_t bytes = 0;
};

// Pinned memory and the event after which the device no longer reads it.
struct PinnedBlock {
    char* data = nullptr;
    size_t bytes = 0;
    cudaEvent_t event = nullptr;
    bool pending = false;  // the event has been recorded and may be ahead
};

class Pool {
  public:
    // Retains the device's primary context for the life of the process: a context that goes takes all memory with it.
    explicit Pool(int device);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int device() const { return device_; }
    // Bytes of device memory that the pool holds, in use or not.
    size_t reserved() const { return reserved_; }

    // Sizes are rounded up, by a quarter at most, so that lists of similar lengths share memory.
    static size_t rounded(size_t bytes);

    // Memory that was given back, of a rounded size or up to twice that: null where there is none.
    Block find(size_t bytes, cudaStream_t stream);
    // New memory of a rounded size. Where there is none, all that was given back goes to the driver first; throws
    // OutOfMemory if that does not help.
    Block allocate(size_t bytes);
    // `elsewhere`: other streams may use it, so that only a wait for the device makes it free.
    void give(Block block, cudaStream_t stream, bool elsewhere) noexcept;

    PinnedBlock take_pinned(size_t bytes);
    void give_pinned(PinnedBlock block) noexcept;

    // The stream has ended: any other may use its memory.
    void retire(cudaStream_t stream) noexcept;

    // Waits for the device and gives all that is not in use back to the driver.
    void trim();
    // The same for what has not been used for long. Waits only where there is any.
    void age();

    // Throws in a process that was forked from the one that made the pool.
    void check_process() const;
    bool forked() const noexcept;

  private:
    struct Idle {
        void* data;
        uint64_t since;
    };
    using Key = std::pair<cudaStream_t, size_t>;

    Block pop(cudaStream_t stream, size_t bytes);
    // Each waits for the device where it has anything to do.
    void release(const std::vector<Block>& blocks);
    void take_back_parked();

    const int device_;
    const pid_t process_;
    std::mutex mutex_;
    std::map<Key, std::vector<Idle>> idle_;
    std::vector<Block> parked_;  // given back while other streams may use it
    std::vector<PinnedBlock> pinned_;
    uint64_t requests_ = 0;
    uint64_t aged_ = 0;
    std::atomic<size_t> reserved_{0};
};

class Stream {
  public:
    // One of the pool's own, which does not wait for the default stream.
    explicit Stream(std::shared_ptr<Pool> pool);
    // Another library's.
    Stream(std::shared_ptr<Pool> pool, cudaStream_t lent) : pool_(std::move(pool)), handle_(lent), own_(false) {}
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    cudaStream_t handle() const { return handle_; }
    const std::shared_ptr<Pool>& pool() const { return pool_; }
    void synchronise() const;

  private:
    std::shared_ptr<Pool> pool_;
    cudaStream_t handle_ = nullptr;
    bool own_ = true;
};

// Device memory, given back when the object goes.
class DeviceMemory {
  public:
    // Adopts a block from the stream's pool.
    DeviceMemory(std::shared_ptr<Stream> stream, Block block) : stream_(std::move(stream)), block_(block) {}
    ~DeviceMemory() { stream_->pool()->give(block_, stream_->handle(), elsewhere_); }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;

    char* data() const { return static_cast<char*>(block_.data); }
    const std::shared_ptr<Stream>& stream() const { return stream_; }
    // Other streams may use it, which know when.
    void use_elsewhere() { elsewhere_ = true; }
    // The content is there and stays: no stream has to wait for it.
    void finish() { finished_ = elsewhere_ = true; }
    bool finished() const { return finished_; }

  private:
    std::shared_ptr<Stream> stream_;
    Block block_;
    std::atomic<bool> elsewhere_{false};
    std::atomic<bool> finished_{false};
};

// Pinned memory, given back when the object goes; used again when the copies from it are over.
class PinnedMemory {
  public:
    PinnedMemory(std::shared_ptr<Stream> stream, size_t bytes);
    ~PinnedMemory();
    PinnedMemory(const PinnedMemory&) = delete;
    PinnedMemory& operator=(const PinnedMemory&) = delete;

    char* data() const { return block_.data; }
    size_t size() const { return size_; }
    // Queues a copy of `bytes` at `first` to device memory.
    void send(size_t first, void* target, size_t bytes);
    // Queues a copy from device memory; `wait` must come before it is read.
    void receive(size_t first, const void* source, size_t bytes);
    void wait();

  private:
    std::shared_ptr<Stream> stream_;
    PinnedBlock block_;
    size_t size_;
    bool queued_ = false;
};

}  // namespace mtcnn_fast::cuda
