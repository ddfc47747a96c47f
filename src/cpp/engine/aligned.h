// Zeroed arrays on a cache-line boundary: vector loads never straddle two lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace mtcnn_fast::engine {

template <class T>
class Aligned {
  public:
    explicit Aligned(std::size_t n)
        : data_(static_cast<T*>(::operator new(n * sizeof(T) + kLine, std::align_val_t{kLine}))) {
        std::memset(data_.get(), 0, n * sizeof(T) + kLine);
    }
    T* data() const { return data_.get(); }

  private:
    static constexpr std::size_t kLine = 64;
    struct Free {
        void operator()(T* p) const { ::operator delete(p, std::align_val_t{kLine}); }
    };
    std::unique_ptr<T, Free> data_;
};

using AlignedFloats = Aligned<float>;
using AlignedBytes = Aligned<std::uint8_t>;

}  // namespace mtcnn_fast::engine
