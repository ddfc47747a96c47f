// A zeroed float array on a cache-line boundary: vector loads never straddle two lines.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace mtcnn_fast::engine {

class AlignedFloats {
  public:
    explicit AlignedFloats(std::size_t n)
        : data_(static_cast<float*>(::operator new(n * sizeof(float) + kLine, std::align_val_t{kLine}))) {
        std::memset(data_.get(), 0, n * sizeof(float) + kLine);
    }
    float* data() const { return data_.get(); }

  private:
    static constexpr std::size_t kLine = 64;
    struct Free {
        void operator()(float* p) const { ::operator delete(p, std::align_val_t{kLine}); }
    };
    std::unique_ptr<float, Free> data_;
};

}  // namespace mtcnn_fast::engine
