#include "tracer/filter/expression.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <pcap/pcap.h>

#include "tracer/failure.h"

// libpcap's static library looks for devices through D-Bus, too, of which a program that captures
// nothing wants nothing. These two take the place of its module for that, here because the linker
// must know them before it opens the library.
extern "C" {
int dbus_findalldevs(void* devices, char* error);
void* dbus_create(const char* device, char* error, int* is_ours);

int dbus_findalldevs(void* /*devices*/, char* /*error*/) {
    return 0;
}
void* dbus_create(const char* /*device*/, char* /*error*/, int* is_ours) {
    *is_ours = 0;
    return nullptr;
}
}

namespace skbtrail::tracer {

namespace {

constexpr int whole_packet = 65535;

struct Close {
    void operator()(pcap_t* handle) const { ::pcap_close(handle); }
};

/// The program for one link type; else why there is none.
struct Compiled {
    std::optional<ClassicProgram> program;
    std::string error;
};

Compiled compile(const std::string& text, int link_type) {
    const std::unique_ptr<pcap_t, Close> handle(::pcap_open_dead(link_type, whole_packet));
    if (!handle) throw Failure("libpcap cannot be set up to compile an expression.");
    bpf_program raw{};
    if (::pcap_compile(handle.get(), &raw, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
        std::string error = ::pcap_geterr(handle.get());
        // Such as "arp" of packets that are known to be IP: an answer, and no mistake.
        if (error.find("rejects all") != std::string::npos) {
            return {ClassicProgram{{BPF_RET | BPF_K, 0, 0, 0}}, {}};
        }
        return {std::nullopt, std::move(error)};
    }
    const std::unique_ptr<bpf_program, void (*)(bpf_program*)> owner(&raw, ::pcap_freecode);
    ClassicProgram program;
    program.reserve(raw.bf_len);
    for (const auto& one : std::span(raw.bf_insns, raw.bf_len)) {
        program.push_back({one.code, one.jt, one.jf, one.k});
    }
    return {std::move(program), {}};
}

}  // namespace

Expression compile_expression(const std::string& text) {
    auto frame = compile(text, DLT_EN10MB);
    if (!frame.program) {
        throw Failure(
            fmt::format("The filter \"{}\" cannot be used: {}. See pcap-filter(7) for what can be "
                        "written.",
                        text, frame.error));
    }
    return {std::move(*frame.program), compile(text, DLT_RAW).program};
}

bool accepts(const ClassicProgram& program, std::span<const std::uint8_t> bytes,
             std::uint32_t length) {
    std::vector<bpf_insn> instructions;
    instructions.reserve(program.size());
    for (const auto& one : program) {
        instructions.push_back({one.code, one.jump_true, one.jump_false, one.k});
    }
    return ::bpf_filter(instructions.data(), bytes.data(), length,
                        static_cast<u_int>(bytes.size())) != 0;
}

}  // namespace skbtrail::tracer
