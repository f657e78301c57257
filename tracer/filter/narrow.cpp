#include "tracer/filter/narrow.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tracer/chain/glob.h"
#include "tracer/chain/names.h"
#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

bool matches(const std::string& glob, const std::string& name) {
    const std::string plain(chain::base_name(name));
    return chain::glob_matches(glob, name) || chain::glob_matches(glob, plain);
}

bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
    return std::any_of(globs.begin(), globs.end(),
                       [&name](const auto& glob) { return matches(glob, name); });
}

/// Finds the outermost matching calls below `call` and makes chains of them.
class Splitter {
  public:
    Splitter(const std::vector<std::string>& globs, std::vector<chain::Chain>& result)
        : globs_(globs), result_(result) {}

    void split(const chain::Chain& from, chain::Call& call) {
        if (matches_any(globs_, call.function)) {
            auto chain = from;
            chain.id = static_cast<chain::ChainId>(result_.size() + 1);
            chain.cpu = call.cpu.value_or(from.cpu);
            chain.root = std::move(call);
            chain.root.cpu.reset();
            result_.push_back(std::move(chain));
            return;
        }
        for (auto& inner : call.calls) split(from, inner);
    }

  private:
    const std::vector<std::string>& globs_;
    std::vector<chain::Chain>& result_;
};

bool calls_function(const chain::Call& call, const std::string& function) {
    return call.function == function ||
           std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const auto& inner) { return calls_function(inner, function); });
}

/// Throws Failure for a glob that matches no function of the plan.
void check_globs(const Plan& plan, const std::vector<std::string>& globs, const char* option) {
    for (const auto& glob : globs) {
        const bool found =
            std::any_of(plan.functions.begin(), plan.functions.end(),
                        [&glob](const auto& function) { return matches(glob, function.name); });
        if (found) continue;
        const auto why =
            std::find_if(plan.unavailable.begin(), plan.unavailable.end(),
                         [&glob](const auto& one) { return matches(glob, one.function); });
        throw Failure(fmt::format(
            "{} {}: {}. The names that can be given are those of the running kernel's network "
            "(see available_filter_functions in tracefs).",
            option, glob,
            why == plan.unavailable.end() ? "no function on the packets' ways has such a name"
                                          : fmt::format("{} cannot be traced on this kernel: {}",
                                                        why->function, why->reason)));
    }
}

}  // namespace

void narrow_functions(Plan& plan, const std::vector<std::string>& globs,
                      const std::vector<std::string>& roots) {
    check_globs(plan, globs, "--functions");
    check_globs(plan, roots, "--roots");
    if (globs.empty()) return;
    std::erase_if(plan.functions, [&](const auto& function) {
        return function.roles == 0 && !matches_any(globs, function.name) &&
               !matches_any(roots, function.name);
    });
}

void begin_at(std::vector<chain::Chain>& chains, const std::vector<std::string>& globs) {
    if (globs.empty()) return;
    std::vector<chain::Chain> result;
    std::map<chain::ChainId, std::pair<std::size_t, std::size_t>> made;  // of which: a range
    Splitter splitter(globs, result);
    for (auto& chain : chains) {
        auto root = std::exchange(chain.root, {});
        const auto begin = result.size();
        splitter.split(chain, root);
        made[chain.id] = {begin, result.size()};
    }
    for (auto& chain : result) {
        if (!chain.nested_in) continue;
        const auto [begin, end] = made[chain.nested_in->chain];
        const auto first = result.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = result.begin() + static_cast<std::ptrdiff_t>(end);
        const auto outer = std::find_if(first, last, [&chain](const auto& one) {
            return calls_function(one.root, chain.nested_in->function);
        });
        if (outer == last) {
            chain.nested_in.reset();
        } else {
            chain.nested_in->chain = outer->id;
        }
    }
    chains = std::move(result);
}

}  // namespace skbtrail::tracer
