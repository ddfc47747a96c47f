// The emulated runtime: launches, copies, events, streams in order, and the entry points through which the tests steer
// and question it. Kernels run at once. Copies wait until a kernel runs or somebody waits for them, so that memory
// which is used too early on the host holds the wrong bytes.
#include "cuda_runtime.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control.h"
#include "race.h"

using namespace mf_emulation;

namespace {

std::mt19937_64& generator() {
    static std::mt19937_64& instance = *new std::mt19937_64(0);
    return instance;
}

int driver_version = CUDART_VERSION;
int devices = 2;
int capability[2] = {7, 5};
size_t shared_memory = 99 * 1024;  // that a block may ask for
int waits = 0;
thread_local int event_device = -1;
int launch_device = -1;
unsigned most_blocks = 0;
bool skip_kernels = false;
thread_local cudaError_t last_error = cudaSuccess;

// Dynamic shared memory that a kernel was granted where its blocks need more than the 48 KB that all have.
std::map<const void*, size_t>& granted() {
    static std::map<const void*, size_t>& instance = *new std::map<const void*, size_t>;
    return instance;
}

// Shared memory that kernels declare. The tests read it from the symbols of this library.
std::map<const void*, size_t>& declared() {
    static std::map<const void*, size_t>& instance = *new std::map<const void*, size_t>;
    return instance;
}

size_t declared_by(const void* kernel) {
    const auto found = declared().find(kernel);
    return found == declared().end() ? 0 : found->second;
}

// Blocks of each launch since the tests last asked.
std::vector<uint64_t>& launches() {
    static std::vector<uint64_t>& instance = *new std::vector<uint64_t>;
    return instance;
}

cudaError_t keep(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

size_t memory_limit = size_t{256} << 20;
size_t memory_used = 0;
int synchronisations = 0;
uintptr_t streams = 0;

// Sizes of what the program allocated.
std::map<void*, size_t>& allocations() {
    static std::map<void*, size_t>& instance = *new std::map<void*, size_t>;
    return instance;
}

std::set<cudaStream_t>& destroyed_streams() {
    static std::set<cudaStream_t>& instance = *new std::set<cudaStream_t>;
    return instance;
}

struct Copy {
    void* to;
    const void* from;
    size_t bytes;
};

std::vector<Copy>& queued_copies() {
    static std::vector<Copy>& instance = *new std::vector<Copy>;
    return instance;
}

void run_copies() {
    for (const Copy& copy : std::exchange(queued_copies(), {})) {
        std::memcpy(copy.to, copy.from, copy.bytes);
        note_host_write(copy.to, copy.bytes);
    }
}

void use_stream(cudaStream_t stream) {
    use_context();
    if (destroyed_streams().count(stream) != 0) report("use of a stream that was destroyed");
}

cudaError_t synchronise() {
    if (is_forked()) return keep(cudaErrorInitializationError);
    run_copies();
    ++synchronisations;
    return cudaSuccess;
}

}  // namespace

namespace mf_emulation {

unsigned random_below(unsigned bound) { return static_cast<unsigned>(generator()() % bound); }

LaunchAnswer begin_launch(uint64_t blocks) {
    launch_device = use_context();
    run_copies();
    if (most_blocks != 0 && blocks > most_blocks) return LaunchAnswer::kRefuse;
    launches().push_back(blocks);
    return skip_kernels ? LaunchAnswer::kSkip : LaunchAnswer::kRun;
}

bool use_dynamic_shared(const void* kernel, size_t bytes) {
    const auto found = granted().find(kernel);
    const size_t most = found == granted().end() ? 48 * 1024 - declared_by(kernel) : found->second;
    if (bytes > most) return keep(cudaErrorInvalidValue) == cudaSuccess;
    set_dynamic_shared(bytes);
    return true;
}

void record_atomic(const void* address, size_t bytes) { note_access(address, bytes, Access::kAtomic); }

}  // namespace mf_emulation

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "cudaSuccess";
        case cudaErrorInvalidValue:
            return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation:
            return "cudaErrorMemoryAllocation";
        case cudaErrorNotReady:
            return "cudaErrorNotReady";
        case cudaErrorInitializationError:
            return "cudaErrorInitializationError";
        case cudaErrorInvalidConfiguration:
            return "cudaErrorInvalidConfiguration";
        case cudaErrorInsufficientDriver:
            return "cudaErrorInsufficientDriver";
        case cudaErrorInvalidDevice:
            return "cudaErrorInvalidDevice";
        case cudaErrorLaunchFailure:
            return "cudaErrorLaunchFailure";
    }
    return "cudaErrorUnknown";
}

const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaDriverGetVersion(int* version) {
    *version = driver_version;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    if (is_forked()) return keep(cudaErrorInitializationError);
    *count = driver_version < CUDART_VERSION ? 0 : devices;
    return driver_version < CUDART_VERSION ? keep(cudaErrorInsufficientDriver) : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    *properties = {};
    std::strcpy(properties->name, "emulated");
    properties->major = capability[0];
    properties->minor = capability[1];
    properties->multiProcessorCount = 1;
    properties->totalGlobalMem = size_t{256} << 20;
    properties->sharedMemPerBlockOptin = shared_memory;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
    const std::lock_guard lock(device_mutex());
    if (value < 0 || static_cast<size_t>(value) + declared_by(kernel) > shared_memory) {
        return keep(cudaErrorInvalidValue);
    }
    granted()[kernel] = static_cast<size_t>(value);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    const std::lock_guard lock(device_mutex());
    const bool fits = bytes <= memory_limit && memory_used <= memory_limit - bytes;
    *pointer = fits ? allocate_on_current_device(bytes) : nullptr;
    if (*pointer == nullptr) return keep(cudaErrorMemoryAllocation);
    memory_used += bytes;
    allocations()[*pointer] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
    const std::lock_guard lock(device_mutex());
    synchronise();
    memory_used -= allocations()[pointer];
    allocations().erase(pointer);
    release_on_device(pointer);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
    const std::lock_guard lock(device_mutex());
    use_context();
    *pointer = std::malloc(bytes);
    return *pointer == nullptr ? keep(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
    const std::lock_guard lock(device_mutex());
    run_copies();
    std::free(pointer);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
    const std::lock_guard lock(device_mutex());
    use_context();
    return synchronise();
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    const std::lock_guard lock(device_mutex());
    use_context();
    *stream = reinterpret_cast<cudaStream_t>((uintptr_t{1} << 32) + 16 * ++streams);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    return synchronise();
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    destroyed_streams().insert(stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    run_copies();
    if (skip_kernels) return cudaSuccess;
    std::memset(pointer, value, bytes);
    note_host_write(pointer, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    queued_copies().push_back({to, from, bytes});
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    const std::lock_guard lock(device_mutex());
    event_device = use_context();
    *event = reinterpret_cast<cudaEvent_t>(&waits);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t stream) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    return use_context() == event_device ? cudaSuccess : keep(cudaErrorInvalidValue);
}

cudaError_t cudaEventQuery(cudaEvent_t) {
    const std::lock_guard lock(device_mutex());
    return queued_copies().empty() ? cudaSuccess : keep(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t) {
    const std::lock_guard lock(device_mutex());
    run_copies();
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) {
    const std::lock_guard lock(device_mutex());
    use_stream(stream);
    ++waits;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

#define MF_TEST_API extern "C" __attribute__((visibility("default")))

MF_TEST_API void emulation_seed(uint64_t seed) { generator().seed(seed); }
MF_TEST_API void emulation_upload(void* to, const void* from, size_t bytes) {
    run_copies();
    std::memcpy(to, from, bytes);
    note_host_write(to, bytes);
}
MF_TEST_API void emulation_set_driver(int version, int count) {
    driver_version = version;
    devices = count;
}
// Device that was current at the last launch.
MF_TEST_API int emulation_launch_device() { return launch_device; }
MF_TEST_API void emulation_set_capability(int major, int minor) {
    capability[0] = major;
    capability[1] = minor;
}
MF_TEST_API void emulation_set_shared_memory(size_t bytes) { shared_memory = bytes; }
// Shared memory that the kernel at `place` of this library declares.
MF_TEST_API void emulation_declare_shared(uint64_t place, uint64_t bytes) {
    Dl_info library{};
    ::dladdr(reinterpret_cast<const void*>(&emulation_set_shared_memory), &library);
    declared()[static_cast<const char*>(library.dli_fbase) + place] = bytes;
}
// Launches of more blocks fail as on a smaller device; 0: none does.
MF_TEST_API void emulation_refuse_blocks(unsigned most) { most_blocks = most; }
// Launches and fills are counted, but nothing runs: for sizes whose memory is not there.
MF_TEST_API void emulation_skip_kernels(int skip) { skip_kernels = skip != 0; }
// The launches since the last call, and their blocks; `room` numbers fit `blocks`.
MF_TEST_API size_t emulation_launches(uint64_t* blocks, size_t room) {
    const std::vector<uint64_t> all = std::exchange(launches(), {});
    std::copy_n(all.begin(), std::min(room, all.size()), blocks);
    return all.size();
}
// Bytes that kernels read and wrote of an allocation since the last call.
MF_TEST_API void emulation_traffic(const void* pointer, uint64_t* read, uint64_t* written) {
    const Traffic traffic = take_traffic(pointer);
    *read = traffic.read;
    *written = traffic.written;
}
// Bytes that the program may allocate.
MF_TEST_API void emulation_set_memory(size_t bytes) { memory_limit = bytes; }
// Bytes that it has allocated.
MF_TEST_API size_t emulation_memory() { return memory_used; }
// Times that the host has waited for a stream or the device.
MF_TEST_API int emulation_synchronisations() { return synchronisations; }
MF_TEST_API int emulation_stream_waits() { return waits; }
// Device that was current when this thread last made an event.
MF_TEST_API int emulation_event_device() { return event_device; }
MF_TEST_API void emulation_clear_reports() { reports().clear(); }
MF_TEST_API size_t emulation_reports(char* text, size_t room) {
    std::string joined;
    for (const std::string& line : reports()) joined += line + "\n";
    const size_t length = joined.copy(text, room == 0 ? 0 : room - 1);
    if (room != 0) text[length] = '\0';
    return reports().size();
}
