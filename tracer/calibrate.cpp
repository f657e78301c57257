#include "tracer/calibrate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "tracer/bpf/prober.h"
#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/ftrace/functions.h"
#include "tracer/ftrace/kprobe_events.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

/// Where this kernel patches the functions that it lets trace; empty: it does not tell
/// (before 6.5).
std::vector<std::uint64_t> traceable_sites(const std::string& tracefs) {
    const auto text = try_read_file(tracefs + "/available_filter_functions_addrs");
    std::vector<std::uint64_t> sites;
    if (!text) return sites;
    for (const auto& function : parse_traceable_functions(*text)) sites.push_back(function.site);
    return sites;
}

/// Sets the probes; those that the kernel refuses become unavailable.
void attach(Identity& identity, const Plan& plan, FunctionTable& functions,
            std::vector<chain::Unavailable>& unavailable, std::vector<std::string>& missing) {
    std::vector<Probe> probes;
    std::vector<FunctionId> ids;
    for (FunctionId id = 0; id < plan.functions.size(); ++id) {
        const auto& cookie = plan.functions[id].cookie;
        if (!cookie) continue;
        const auto& function = functions[id];
        probes.push_back({function.symbol, function.site, *cookie,
                          is_core(function.name, !function.module.empty())});
        ids.push_back(id);
    }
    const auto refused = identity.attach(probes);
    for (const auto& one : refused) {
        const auto id = ids[one.index];
        functions.not_probed(id);
        if (one.reason.empty()) continue;
        unavailable.push_back(
            {functions[id].name, fmt::format("its sk_buffs are not recorded: {}", one.reason)});
        if (one.missing) missing.push_back(functions[id].name);
    }
}

}  // namespace

std::unique_ptr<Identity> make_identity(const Circumstance& here, Plan& plan,
                                        FunctionTable& functions,
                                        std::vector<chain::Unavailable>& unavailable,
                                        std::vector<std::string>& calibration,
                                        std::vector<std::string>& missing) {
    const auto& wanted = here.options.identity;
    if (wanted == "bpf" || (wanted == "auto" && plan.no_bpf.empty())) {
        try {
            Prober::Options prober_options;
            prober_options.ring_kib =
                here.options.event_kib != 0 ? here.options.event_kib : here.options.buffer_kib;
            prober_options.page_offset_address = here.page_offset_address;
            prober_options.vmemmap_address = here.vmemmap_address;
            prober_options.snaplen = here.options.snaplen;
            prober_options.filter = here.filter;
            prober_options.sites = [&here] { return traceable_sites(here.tracefs); };
            auto prober = std::make_unique<Prober>(prober_options);
            attach(*prober, plan, functions, unavailable, missing);
            return prober;
        } catch (const Failure& failure) {
            if (wanted == "bpf") throw;
            // What libbpf says is a page long, and of use to those only who ask for --identity bpf.
            plan.no_bpf = failure.what();
            plan.no_bpf.resize(std::min(plan.no_bpf.size(), plan.no_bpf.find(" (libbpf")));
            if (!plan.no_bpf.ends_with('.')) plan.no_bpf += '.';
        }
    }
    if (!plan.no_bpf.empty()) {
        calibration.push_back(
            fmt::format("BPF on many functions (kprobe.multi) does not work "
                        "here, so kprobe events are used, which reach neither a packet's pages nor "
                        "the end of its buffer (payload, frags, gso_size): {}",
                        plan.no_bpf));
    }
    if (here.filter.cgroup != 0 || here.filter.process != 0 ||
        (here.filter.expression && !here.filter.expression->packet)) {
        throw Failure(fmt::format(
            "This kernel tells too little of packets to choose them by {}: {}",
            here.filter.cgroup != 0    ? "control group"
            : here.filter.process != 0 ? "process"
                                       : "their link header",
            plan.no_bpf.empty() ? "--identity kprobe-events knows their headers from the network "
                                  "header on, interface and namespace only."
                                : plan.no_bpf));
    }
    auto events = std::make_unique<KprobeEvents>(here.tracefs, here.buffer.directory(), plan.layout,
                                                 here.page_offset_address, here.saved);
    attach(*events, plan, functions, unavailable, missing);
    return events;
}

}  // namespace skbtrail::tracer
