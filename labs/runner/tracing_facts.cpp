#include "labs/runner/tracing_facts.h"

#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "labs/runner/kernel_config.h"

namespace skbtrail::labs {
namespace {

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

/// Without these a kernel does not get as far as PID 1, or is not heard from there. (PVH, which
/// QEMU starts it by, is seen in the image itself.)
constexpr std::array<const char*, 9> guest_needs = {
    "CONFIG_BLK_DEV_INITRD", "CONFIG_BINFMT_ELF",     "CONFIG_BINFMT_SCRIPT",
    "CONFIG_PROC_FS",        "CONFIG_SYSFS",          "CONFIG_DEVTMPFS",
    "CONFIG_VIRTIO_PCI",     "CONFIG_VIRTIO_CONSOLE", "CONFIG_NET"};

}  // namespace

std::vector<std::string> missing_for_guest(std::string_view config) {
    const KernelConfig known(config);
    std::vector<std::string> missing;
    for (const char* need : guest_needs) {
        if (!known.has(need)) missing.emplace_back(need);
    }
    return missing;
}

std::vector<TracingFact> tracing_facts(std::string_view config) {
    const KernelConfig known(config);
    std::vector<TracingFact> facts;
    for (const Ability& ability : abilities) {
        const bool can = known.is_built_in(ability.option);
        facts.push_back({can, fmt::format("{}: {} is {}", can ? ability.can : ability.cannot,
                                          ability.option, can ? "set" : "not set")});
    }
    return facts;
}

}  // namespace skbtrail::labs
