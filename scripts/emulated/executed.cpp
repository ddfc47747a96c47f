// A plugin of qemu: how often each instruction runs on the first thread, between two functions.
//
// Arguments: begin and end, the functions' addresses; out, a file that gets a line "RUNS ADDRESS..." for each block.
#include <cstdint>
#include <deque>
#include <fstream>
#include <ios>
#include <string>
#include <vector>

#include "plugin.h"

int qemu_plugin_version = 1;

namespace {

struct Block {
    std::uint64_t runs = 0;
    std::vector<std::uint64_t> addresses;
};

std::uint64_t begin_address, end_address;
std::string out;
bool counting = false;
std::deque<Block> blocks;

void runs(unsigned /*processor*/, void* data) {
    auto& block = *static_cast<Block*>(data);
    if (block.addresses[0] == begin_address) counting = true;
    if (block.addresses[0] == end_address) counting = false;
    if (counting) ++block.runs;
}

void translated(std::uint64_t /*id*/, qemu_plugin_tb* tb) {
    Block& block = blocks.emplace_back();
    for (std::size_t i = 0; i < qemu_plugin_tb_n_insns(tb); ++i) {
        block.addresses.push_back(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i)));
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, runs, QEMU_PLUGIN_CB_NO_REGS, &block);
}

void write(std::uint64_t /*id*/, void* /*data*/) {
    std::ofstream file(out);
    for (const Block& block : blocks) {
        if (block.runs == 0) continue;
        file << std::dec << block.runs << std::hex;
        for (const std::uint64_t address : block.addresses) file << ' ' << address;
        file << '\n';
    }
}

}  // namespace

int qemu_plugin_install(std::uint64_t id, const void* /*info*/, int count, char** arguments) {
    const PluginArguments given(count, arguments);
    begin_address = given.address("begin");
    end_address = given.address("end");
    out = given.text("out");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, write, nullptr);
    return 0;
}
