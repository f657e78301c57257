// The plan: which functions of one kernel are traced and probed, and how. Working it out reads the
// kernel's symbols and types; it depends on nothing but the kernel and its modules, so it is kept
// in a file and used again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/skb_layout.h"

namespace skbtrail::tracer {

/// One function of the plan. Addresses are relative, since the kernel's base is random.
struct PlannedFunction {
    std::string name;
    std::uint16_t module = 0;  ///< 0: the kernel's text; else index in Plan::modules plus 1
    std::uint32_t record = 0;  ///< index for set_ftrace_filter
    std::int64_t site = 0;     ///< patched call, from the start of the text
    /// site - start of the function. Where the kernel does not tell sites (before 6.5), the site is
    /// the start.
    std::uint8_t shift = 0;
    std::uint32_t roles = 0;              ///< role::…
    std::optional<std::uint32_t> cookie;  ///< event.h; absent: in the tree only
};

struct PlannedModule {
    std::string name;
    std::uint64_t size = 0;  ///< as /proc/modules gives it
    bool operator==(const PlannedModule&) const = default;
};

struct Plan {
    std::string collector;  ///< build id of the program that made it: its policy
    std::string build_id;   ///< the kernel's
    std::string release;
    std::vector<PlannedModule> modules;            ///< all that are loaded, in the kernel's order
    std::optional<std::int64_t> page_offset_base;  ///< address of the variable, from _stext
    std::optional<std::int64_t> vmemmap_base;      ///< the same
    SkbLayout layout;                              ///< for reading sk_buffs without BPF
    std::string no_bpf;  ///< why BPF could not tell identities here; empty: it can, or untried
    std::vector<std::string> drop_reasons;   ///< by number, without SKB_DROP_REASON_
    std::vector<PlannedFunction> functions;  ///< by record
    std::vector<chain::Unavailable> unavailable;
    std::vector<std::string> notes;  ///< what was not as expected, for a person
};

/// The plan as text: a first line that names the format, then one record a line, words separated by
/// tabs. Quick to read, since every start reads it.
std::string to_text(const Plan& plan);

/// Reads a plan. Throws Failure when the text is not one, or of another version.
Plan parse_plan(std::string_view text);

/// What must agree for a plan to be used.
struct Circumstances {
    std::string collector;
    std::string build_id;
    std::vector<PlannedModule> modules;
};

/// Why `plan` does not fit, in words that complete "the plan is not used: …"; empty when it fits.
std::string why_unfit(const Plan& plan, const Circumstances& now);

}  // namespace skbtrail::tracer
