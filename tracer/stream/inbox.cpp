#include "tracer/stream/inbox.h"

#include <utility>

namespace skbtrail::tracer {

void Inbox::add_page(unsigned cpu, std::span<const std::byte> page) {
    const std::lock_guard lock(mutex_);
    capture_.add_page(cpu, page);
}

void Inbox::add_event(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    capture_.add_event(bytes);
}

void Inbox::pages_empty(unsigned cpu, std::uint64_t since) {
    const std::lock_guard lock(mutex_);
    pages_until_[cpu] = since;
}

void Inbox::events_empty(std::uint64_t since) {
    const std::lock_guard lock(mutex_);
    events_until_ = since;
}

Delivery Inbox::take() {
    const std::lock_guard lock(mutex_);
    return {std::exchange(capture_, Capture(limit_)), pages_until_, events_until_};
}

}  // namespace skbtrail::tracer
