#include "labs/debug_info/inlined_steps.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "labs/debug_info/compiled_calls.h"
#include "labs/debug_info/debug_files.h"
#include "labs/debug_info/dwarf_file.h"
#include "labs/debug_info/error.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs::debug_info {
namespace {

/// What is between a function and those it calls, by the callee's name in the source.
struct Between {
    std::vector<std::string> inlined;
    bool tail_call = false;
};
using Callees = std::unordered_map<std::string, Between>;

/// By module (empty: the kernel itself), then by the caller's symbol.
using Callers = std::map<std::string, std::unordered_set<std::string>>;
using Known = std::map<std::string, std::unordered_map<std::string, Callees>>;

void collect_callers(const chain::Call& call, Callers& callers) {
    if (!call.calls.empty()) callers[call.module].insert(call.function);
    for (const chain::Call& below : call.calls) collect_callers(below, callers);
}

/// Keeps what both have in common.
void narrow(Between& between, const CompiledCall& call) {
    const auto differ = std::mismatch(between.inlined.begin(), between.inlined.end(),
                                      call.inlined.begin(), call.inlined.end());
    between.inlined.erase(differ.first, between.inlined.end());
    between.tail_call = between.tail_call && call.tail_call;
}

/// Where a compiler splits a function (`.part`) and inlines the pieces, each piece is one more
/// inlined function of that name: in the source it is one.
void join_pieces(std::string_view caller, std::vector<std::string>& inlined) {
    inlined.erase(std::unique(inlined.begin(), inlined.end()), inlined.end());
    if (!inlined.empty() && inlined.front() == chain::base_name(caller)) {
        inlined.erase(inlined.begin());
    }
}

/// Of all functions whose symbol is `caller`: it may be several.
Callees callees_of(const std::string& caller, const std::vector<Dwarf_Die>& functions) {
    Callees callees;
    for (const Dwarf_Die& function : functions) {
        for (CompiledCall& call : compiled_calls(function)) {
            join_pieces(caller, call.inlined);
            const auto [known, added] =
                callees.try_emplace(call.callee, Between{call.inlined, call.tail_call});
            if (!added) narrow(known->second, call);
        }
    }
    return callees;
}

std::unordered_map<std::string, Callees> read_callers(
    const DwarfFile& file, const std::unordered_set<std::string>& callers) {
    std::unordered_map<std::string, Callees> known;
    for (const auto& [symbol, functions] : file.functions(callers)) {
        known.emplace(symbol, callees_of(symbol, functions));
    }
    return known;
}

DwarfFile open_kernel(const std::filesystem::path& path, const chain::Observed& observed) {
    DwarfFile file(path);
    const std::string build_id = file.build_id();
    if (!observed.kernel_build_id.empty() && build_id != observed.kernel_build_id) {
        throw Error(fmt::format(
            "{} is of another build (build id {}) than the kernel that was recorded ({}, build id "
            "{}): what was inlined in one need not be in the other",
            path.string(), build_id.empty() ? "none" : build_id, observed.kernel_release,
            observed.kernel_build_id));
    }
    return file;
}

Known read_all(const Callers& callers, const std::filesystem::path& path,
               const chain::Observed& observed, std::vector<std::string>& notes) {
    std::set<std::string> modules;
    for (const auto& [module, functions] : callers) {
        if (!module.empty()) modules.insert(module);
    }
    const DebugFiles files = find_debug_files(path, observed.kernel_release, modules);
    Known known;
    const DwarfFile kernel = open_kernel(files.kernel, observed);
    if (const auto own = callers.find(""); own != callers.end()) {
        known[""] = read_callers(kernel, own->second);
    }
    for (const std::string& module : modules) {
        const auto file = files.modules.find(module);
        if (file == files.modules.end()) {
            notes.push_back(fmt::format("no debug information of the module {} is there", module));
            continue;
        }
        try {
            known[module] = read_callers(DwarfFile(file->second), callers.at(module));
        } catch (const Error& error) {
            notes.emplace_back(error.what());
        }
    }
    return known;
}

/// Names what is between `caller` and the calls below it, and so on down.
std::size_t name_below(chain::Call& caller, const Known& known) {
    const Callees* callees = nullptr;
    if (const auto module = known.find(caller.module); module != known.end()) {
        const auto found = module->second.find(caller.function);
        if (found != module->second.end()) callees = &found->second;
    }
    std::size_t named = 0;
    for (chain::Call& call : caller.calls) {
        if (callees != nullptr) {
            const auto between = callees->find(std::string(chain::base_name(call.function)));
            if (between != callees->end()) {
                call.inlined = between->second.inlined;
                call.tail_call = between->second.tail_call;
                named += call.inlined.empty() ? 0 : 1;
            }
        }
        named += name_below(call, known);
    }
    return named;
}

}  // namespace

InlinedSteps name_inlined_steps(chain::Recording& recording, const std::filesystem::path& path) {
    Callers callers;
    for (const chain::Chain& chain : recording.chains) collect_callers(chain.root, callers);
    InlinedSteps result;
    const Known known = read_all(callers, path, recording.observed, result.notes);
    for (chain::Chain& chain : recording.chains) result.calls += name_below(chain.root, known);
    return result;
}

}  // namespace skbtrail::labs::debug_info
