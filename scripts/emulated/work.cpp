// A detection, done between two marks for scripts/emulated.py to count under qemu, and a few times before.
//
//   emulated_work FILE ISA THREADS BEFORE      FILE has the networks' tensors and an image, as the script writes it
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

// Between these two, the plugins count. They find them by name.
extern "C" {
void counting_begins();
void counting_ends();
[[gnu::noinline]] void counting_begins() { asm volatile("" ::: "memory"); }
[[gnu::noinline]] void counting_ends() { asm volatile("" ::: "memory"); }
}

namespace {

using namespace mtcnn_fast;

struct Input {
    // A map keeps its elements where they are.
    std::map<std::string, std::vector<float>> values;
    std::array<engine::TensorMap, 3> nets;
    std::vector<std::uint8_t> pixels;
    std::int64_t height = 0, width = 0;
};

template <class T>
std::vector<T> read_values(std::istream& file, std::size_t count) {
    std::vector<T> values(count);
    file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
    if (!file) throw std::runtime_error("the file ends early");
    return values;
}

// Lines "tensor NETWORK NAME RANK SIDE..." and "image HEIGHT WIDTH", each followed by its numbers.
Input read_input(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    Input input;
    std::string kind;
    while (file >> kind) {
        if (kind == "image") {
            file >> input.height >> input.width;
            file.get();
            input.pixels = read_values<std::uint8_t>(file, static_cast<std::size_t>(input.height * input.width * 3));
            continue;
        }
        std::size_t network = 0, rank = 0, count = 1;
        std::string name;
        file >> network >> name >> rank;
        std::vector<std::size_t> shape(rank);
        for (std::size_t& side : shape) {
            file >> side;
            count *= side;
        }
        file.get();
        std::vector<float>& values = input.values[std::to_string(network) + name];
        values = read_values<float>(file, count);
        input.nets.at(network)[name] = {values.data(), shape};
    }
    return input;
}

void work(const std::string& path, const std::string& isa, int threads, int before) {
    const Input input = read_input(path);
    const engine::NetworkWeights weights(input.nets[0], input.nets[1], input.nets[2]);
    engine::Cascade cascade(weights, *engine::select_isa(isa).kernels, engine::Algorithm::kFast);
    const std::vector<ImageView> views{{input.pixels.data(), 3 * input.width, input.height, input.width}};
    const engine::CascadeSettings settings;
    const engine::Runner runner = [&](std::int64_t n, const engine::Task& task) {
        ThreadPool::shared().run(n, threads, task);
    };
    for (int i = 0; i < before; ++i) cascade.detect(views, settings, runner, threads, false, false);
    counting_begins();
    const std::vector<engine::Detections> found = cascade.detect(views, settings, runner, threads, false, false);
    counting_ends();
    std::printf("%zu faces\n", found[0].boxes.size());
}

}  // namespace

int main(int count, char** arguments) {
    try {
        if (count != 5) throw std::invalid_argument("emulated_work FILE ISA THREADS BEFORE");
        work(arguments[1], arguments[2], std::stoi(arguments[3]), std::stoi(arguments[4]));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
