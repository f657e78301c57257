#include "labs/check/losses.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

/// Counters of the probes that read sk_buffs. What they miss is not missing from the tree of
/// calls, which comes from elsewhere; only the packet is not known there.
bool hides_packets_only(std::string_view kind) {
    return kind.starts_with("bpf_") || kind.starts_with("probe_");
}

std::string sentence(const chain::Loss& loss) {
    const std::string where = loss.cpu ? fmt::format(" on cpu{}", *loss.cpu) : "";
    const std::string what = loss.detail.empty() ? "" : fmt::format(" ({})", loss.detail);
    return fmt::format("the recording lost {} event{}{}: {}{}", loss.count,
                       loss.count == 1 ? "" : "s", where, loss.kind, what);
}

}  // namespace

std::string Losses::touching(const Tree& tree, bool about_packets) const {
    for (const chain::Loss& loss : recording_.losses) {
        if (loss.count == 0 || (!about_packets && hides_packets_only(loss.kind))) continue;
        if (!loss.cpu || tree.cpus().contains(*loss.cpu)) return sentence(loss);
    }
    return {};
}

std::string Losses::anywhere(bool about_packets) const {
    for (const chain::Loss& loss : recording_.losses) {
        if (loss.count != 0 && (about_packets || !hides_packets_only(loss.kind))) {
            return sentence(loss);
        }
    }
    return {};
}

}  // namespace skbtrail::labs
