// What the plugins here call of qemu's interface, version 1 (https://www.qemu.org/docs/master/devel/tcg-plugins.html),
// and what they share. Debian's qemu-user has the functions, and no header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

extern "C" {
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_RW = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(std::uint64_t id, void (*call)(std::uint64_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb*, void (*call)(unsigned, void*), qemu_plugin_cb_flags, void*);
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn*, void (*call)(unsigned, std::uint32_t, std::uint64_t, void*),
                                      qemu_plugin_cb_flags, qemu_plugin_mem_rw, void*);
void qemu_plugin_register_vcpu_syscall_cb(std::uint64_t id,
                                          void (*call)(std::uint64_t, unsigned, std::int64_t, std::uint64_t,
                                                       std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                                       std::uint64_t, std::uint64_t, std::uint64_t));
void qemu_plugin_register_atexit_cb(std::uint64_t id, void (*call)(std::uint64_t, void*), void*);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, std::size_t);
std::uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn*);
unsigned qemu_plugin_mem_size_shift(std::uint32_t);
bool qemu_plugin_mem_is_store(std::uint32_t);

[[gnu::visibility("default")]] extern int qemu_plugin_version;
[[gnu::visibility("default")]] int qemu_plugin_install(std::uint64_t id, const void* info, int count, char** arguments);
}

// The plugin's arguments, name=value; addresses are hexadecimal.
class PluginArguments {
  public:
    PluginArguments(int count, char** arguments) {
        for (int i = 0; i < count; ++i) {
            const std::string text = arguments[i];
            const std::size_t at = text.find('=');
            values_[text.substr(0, at)] = text.substr(at + 1);
        }
    }
    const std::string& text(const std::string& name) const { return values_.at(name); }
    std::uint64_t address(const std::string& name) const { return std::strtoull(text(name).c_str(), nullptr, 16); }

  private:
    std::map<std::string, std::string> values_;
};
