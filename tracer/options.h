// The command line of skbtrail-collect.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tracer/filter/packet_filter.h"

namespace skbtrail::tracer {

/// How a recording is written.
enum class Format : std::uint8_t {
    json,        ///< one document, at the end
    json_lines,  ///< each chain and packet a line, as soon as it is complete
    text,        ///< the same, for a person
};

struct Options {
    std::string output;  ///< file; "-": the standard output, of lines and text
    Format format = Format::json;
    std::string plan;       ///< file to read; empty: none
    std::string save_plan;  ///< file to write a plan to that had to be computed
    int status_fd = -1;
    std::uint64_t buffer_kib = 4096;  ///< of trace buffer per CPU, and of BPF ring buffer
    std::uint64_t event_kib = 0;      ///< of BPF ring buffer; 0: as buffer_kib
    std::uint64_t memory_mib = 64;    ///< of raw records kept
    /// How sk_buffs are told: "auto" (the best that works), "bpf" or "kprobe-events".
    std::string identity = "auto";
    bool no_detach = false;
    bool boot_trace = false;  ///< also what the kernel recorded of its boot
    std::string save_raw;     ///< directory for raw pages and events
    FilterText filter;        ///< which packets
    /// Globs of the functions that a chain may show; empty: all. Those that tell packets apart are
    /// recorded in any case.
    std::vector<std::string> functions;
    std::vector<std::string> roots;  ///< globs of functions that chains begin at; empty: the usual
    bool interrupts = false;         ///< chains of hard interrupts, too
    double duration = 0;             ///< seconds; 0: until the command ends
    std::uint32_t snaplen = 96;      ///< bytes of each packet that are looked at for its headers
    std::vector<std::string> command;  ///< empty: until a signal, or what `duration` says
};

/// What to do instead of recording: print a text and end.
struct Exit {
    int status = 0;
    std::string text;
    bool is_error = false;
};

inline constexpr int exit_ok = 0;
inline constexpr int exit_cannot_record = 2;
inline constexpr int exit_usage = 64;

/// Parses the command line.
std::variant<Options, Exit> parse_options(int argc, const char* const* argv);

}  // namespace skbtrail::tracer
