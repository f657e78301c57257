#include "labs/check/notices.h"

namespace skbtrail::labs {
namespace {

using Events = std::vector<chain::RingEvent>;

/// Each NIC numbers every event of its own, also one that it could not write.
bool follow_each_other(const chain::RingEvent& before, const chain::RingEvent& after) {
    return before.nic == after.nic && before.sequence + 1 == after.sequence;
}

}  // namespace

bool is_kick(const chain::RingEvent& event) {
    return event.event == "kick" || event.event == "kick_suppressed";
}

bool is_call(const chain::RingEvent& event) {
    return event.event == "call" || event.event == "call_suppressed";
}

std::string other_notice(std::string_view event) {
    constexpr std::string_view suppressed = "_suppressed";
    if (event.ends_with(suppressed)) {
        return std::string(event.substr(0, event.size() - suppressed.size()));
    }
    return std::string(event).append(suppressed);
}

const chain::RingEvent* kick_of(const Events& events, std::size_t available) {
    const unsigned queue = events[available].queue;
    if (queue % 2 == 0) return nullptr;
    for (std::size_t i = available; i-- > 0 && follow_each_other(events[i], events[i + 1]);) {
        if (events[i].queue != queue) continue;
        if (is_kick(events[i])) return &events[i];
        if (is_call(events[i])) return nullptr;
    }
    return nullptr;
}

const chain::RingEvent* call_of(const Events& events, std::size_t used) {
    for (std::size_t i = used + 1; i < events.size(); ++i) {
        if (!follow_each_other(events[i - 1], events[i])) return nullptr;
        if (events[i].queue == events[used].queue && is_call(events[i])) return &events[i];
    }
    return nullptr;
}

}  // namespace skbtrail::labs
