#include "labs/runner/aftermath.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "labs/debug_info/error.h"
#include "labs/debug_info/inlined_steps.h"
#include "labs/runner/domain.h"
#include "labs/runner/libvirt.h"
#include "tracer/chain/printable.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

void add_host_facts(chain::Recording& recording, const HostFacts& facts) {
    auto& host = recording.observed.host;
    host["lab"] = facts.lab.name;
    if (facts.lab.change) host["change"] = facts.lab.change->name;
    host["skbtrail"] = SKBTRAIL_VERSION;
    host["qemu"] = facts.qemu.version();
    host["libvirt"] = libvirt_version();
    host["accelerator"] = to_string(facts.accelerator);
    host["clock"] = to_string(facts.clock);
    if (facts.clock == GuestClock::instructions) {
        host["nanoseconds_per_instruction"] = std::to_string(nanoseconds_per_instruction);
    }
    host["vcpus"] = std::to_string(facts.lab.vcpus);
    const auto& nics = facts.lab.nics;
    host["queue_pairs"] = std::to_string(nics.front().queue_pairs);
    host["memory_mib"] = std::to_string(facts.lab.memory_mib);
    host["wire"] = nics.front().wire.kind;
    for (std::size_t i = 1; i < nics.size(); ++i) {
        host[fmt::format("nic_{}_queue_pairs", i)] = std::to_string(nics[i].queue_pairs);
        host[fmt::format("nic_{}_wire", i)] = nics[i].wire.kind;
    }
    if (!facts.kernel.package.empty()) {
        host["kernel_package"] = fmt::format("{} {} ({})", facts.kernel.package,
                                             facts.kernel.package_version, facts.kernel.suite);
    }
}

/// Names what the compiler inlined, where the kernel's debug information is at hand; says what came
/// of it. A recording without is as good as any.
std::string add_inlined_steps(chain::Recording& recording, const std::filesystem::path& path) {
    if (path.empty()) return {};
    auto& told = recording.observed.host["debug_info"];
    try {
        const auto steps = debug_info::name_inlined_steps(recording, path);
        told = fmt::format("{}", fmt::join(steps.notes, "; "));
        if (told.empty()) told = path;
        return fmt::format("; inlined functions named before {} calls", steps.calls);
    } catch (const debug_info::Error& error) {
        told = fmt::format("not used: {}", error.what());
        return fmt::format("; inlined functions not named: {}", error.what());
    }
}

}  // namespace

JoinedRecording join_recording(const std::string& sent,
                               const std::vector<std::filesystem::path>& ring_events,
                               const HostFacts& facts) {
    JoinedRecording joined;
    joined.recording = chain::parse_recording(sent);
    add_host_facts(joined.recording, facts);
    auto& events = joined.recording.ring_events;
    for (unsigned nic = 0; nic < ring_events.size(); ++nic) {
        auto seen = parse_ring_events(guest::read_file(ring_events[nic]), nic);
        std::move(seen.begin(), seen.end(), std::back_inserter(events));
    }
    joined.ring = join_ring_events(joined.recording);
    const auto inlined = add_inlined_steps(joined.recording, facts.kernel.debug_info);
    std::ostringstream text;
    chain::write_json(joined.recording, text);
    joined.text = std::move(text).str();
    // What a guest has said is shown and judged from here on.
    chain::make_printable(joined.recording);
    const RingJoin& ring = joined.ring;
    joined.summary =
        ring.note.empty()
            ? fmt::format("{} ring events; {} of {} packets found in the ring", events.size(),
                          ring.joined, ring.transmissions + ring.arrivals)
            : ring.note;
    joined.summary += inlined;
    return joined;
}

}  // namespace skbtrail::labs
