// Working a plan out from what the running kernel says of itself.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tracer/bpf/signatures.h"
#include "tracer/ftrace/functions.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

/// The kernel facts that a plan is made of; a test gives those of another machine.
struct KernelFacts {
    std::vector<TraceableFunction> functions;
    std::vector<Module> modules;
    const KernelSymbols* symbols = nullptr;
    std::uint64_t text_start = 0;  ///< _stext
    Signatures kernel_signatures;
    std::map<std::string, Signatures> module_signatures;  ///< absent: a module without BTF
    std::vector<std::string> drop_reasons;
    SkbLayout layout;
};

/// The first and one past the last address of net/'s text; nothing when the kernel is not linked
/// as expected (another architecture, link-time optimisation).
struct TextRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};
std::optional<TextRange> find_net_text(const std::vector<TraceableFunction>& functions);

/// Chooses the functions. Fills everything of the plan but collector, build id and release.
Plan make_plan(const KernelFacts& facts);

/// Reads the facts of the running kernel and makes its plan. `tracefs` is where tracefs is mounted.
/// Throws Failure.
Plan compute_plan(const std::string& tracefs);

}  // namespace skbtrail::tracer
