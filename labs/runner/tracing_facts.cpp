#include "labs/runner/tracing_facts.h"

#include <array>
#include <initializer_list>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

bool is_set(std::string_view config, std::string_view option) {
    const auto line = fmt::format("\n{}=y\n", option);
    return fmt::format("\n{}\n", config).find(line) != std::string::npos;
}

struct Ability {
    const char* option;
    const char* can;
    const char* cannot;
};

/// tracer/README has how they are used; the collector tries them, this only reads.
constexpr std::array<Ability, 6> abilities = {
    {{"CONFIG_FUNCTION_GRAPH_TRACER", "trees of calls (function_graph)",
      "trees of calls: nothing can be recorded on it"},
     {"CONFIG_DEBUG_INFO_BTF", "sk_buffs by their kernel's own types (BTF)",
      "sk_buffs: their layout is not known without BTF"},
     {"CONFIG_FPROBE", "packets by one link on all functions (kprobe.multi)",
      "packets by kprobe.multi: kprobe events are used, which costs more at start"},
     {"CONFIG_KPROBE_EVENTS", "packets by kprobe events", "packets by kprobe events"},
     {"CONFIG_FUNCTION_GRAPH_RETVAL", "what calls return (funcgraph-retval)", "what calls return"},
     {"CONFIG_FUNCTION_TRACE_ARGS", "arguments of calls (funcgraph-args)",
      "arguments of calls, where they are no sk_buff"}}};

}  // namespace

std::vector<TracingFact> tracing_facts(std::string_view config) {
    std::vector<TracingFact> facts;
    for (const Ability& ability : abilities) {
        const bool can = is_set(config, ability.option);
        facts.push_back({can, fmt::format("{}: {} is {}", can ? ability.can : ability.cannot,
                                          ability.option, can ? "set" : "not set")});
    }
    return facts;
}

}  // namespace skbtrail::labs
