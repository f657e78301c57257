#include "labs/check/losses.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

/// What the probes that read sk_buffs missed, or misread. The tree of calls comes from elsewhere
/// and is not the worse for it: only which packet a call was given is not known. A kind that is not
/// here, known or not, can have hidden calls.
constexpr std::array<std::string_view, 8> kinds_about_packets = {
    "bpf_reserve_failed", "call_without_event",  "event_malformed", "function_not_attached",
    "list_truncated",     "memory_limit_events", "probe_missed",    "skb_implausible"};

bool hides_packets_only(std::string_view kind) {
    return std::find(kinds_about_packets.begin(), kinds_about_packets.end(), kind) !=
           kinds_about_packets.end();
}

std::string sentence(const chain::Loss& loss) {
    std::string where = loss.cpu ? fmt::format(" on cpu{}", *loss.cpu) : "";
    if (!loss.function.empty()) where += " at " + loss.function;
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
