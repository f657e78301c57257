#include <algorithm>
#include <cstddef>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "labs/check/notices.h"
#include "labs/show/paint.h"
#include "labs/show/show.h"

namespace skbtrail::labs {
namespace {

using chain::RingEvent;

/// The NIC's own note that events are missing; it is about no queue.
bool is_loss(const RingEvent& event) {
    return event.event == "lost";
}

/// The events of one packet: those that carried it, and the notifications that came with them.
std::set<const RingEvent*> events_of(const chain::Recording& recording, chain::PacketId packet) {
    std::set<const RingEvent*> chosen;
    const std::vector<RingEvent>& events = recording.ring_events;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (events[i].packet != packet) continue;
        chosen.insert(&events[i]);
        chosen.insert(events[i].event == "used" ? call_of(events, i) : kick_of(events, i));
    }
    chosen.erase(nullptr);
    return chosen;
}

class RingPrinter {
  public:
    RingPrinter(std::ostream& out, const chain::Recording& recording, const ShowOptions& options)
        : out_(out), options_(options) {
        const std::vector<RingEvent>& events = recording.ring_events;
        if (options.packet) chosen_ = events_of(recording, *options.packet);
        for (const RingEvent& event : events) {
            if (is_loss(event)) {
                losses_.push_back(&event);
            } else {
                // All NICs have one clock, the host's.
                first_ = queues_.empty() ? event.time : std::min(first_, event.time);
                queues_[{event.nic, event.queue}].push_back(&event);
            }
        }
    }

    void print() {
        if (queues_.empty()) out_ << "no ring event was recorded\n";
        bool any = false;
        for (const auto& [place, events] : queues_) {
            std::vector<const RingEvent*> shown;
            std::copy_if(events.begin(), events.end(), std::back_inserter(shown),
                         [&](const RingEvent* event) { return shows(event); });
            if (shown.empty()) continue;
            if (any) out_ << '\n';
            any = true;
            print_summary(place, events);
            print_heading();
            for (const RingEvent* event : shown) print_event(*event);
        }
        for (const RingEvent* loss : losses_) {
            out_ << ink(fmt::format("lost: {}", loss->reason), Ink::bad) << '\n';
        }
    }

  private:
    /// A NIC, and a queue of it.
    using Place = std::pair<unsigned, unsigned>;

    bool several_nics() const { return !queues_.empty() && queues_.rbegin()->first.first != 0; }

    std::string ink(std::string_view text, Ink ink) const {
        return paint(text, ink, options_.colour);
    }

    bool shows(const RingEvent* event) const { return !options_.packet || chosen_.contains(event); }

    void print_summary(const Place& place, const std::vector<const RingEvent*>& events) {
        const auto [nic, queue] = place;
        const auto count = [&](std::string_view kind) {
            return std::count_if(events.begin(), events.end(),
                                 [&](const RingEvent* event) { return event->event == kind; });
        };
        const auto of_nic = several_nics() ? fmt::format("NIC {} ", nic) : std::string();
        out_ << ink(fmt::format("{}queue {}", of_nic, queue), Ink::strong)
             << fmt::format(
                    " ({}): {} available, {} used; kicks: {} made, {} suppressed; calls: {} made, "
                    "{} suppressed\n",
                    queue % 2 == 0 ? "receive" : "transmit", count("available"), count("used"),
                    count("kick"), count("kick_suppressed"), count("call"),
                    count("call_suppressed"));
    }

    void print_heading() {
        out_ << ink(columns_of("sequence", "ms", "event", "index", "head", "length", "packet") +
                        "  reason",
                    Ink::dim)
             << '\n';
    }

    void print_event(const RingEvent& event) {
        const auto text = [](const auto& value) { return value ? fmt::to_string(*value) : ""; };
        // Always the same unit: a column to be read downwards. The host's clock has no other start.
        constexpr double per_millisecond = 1e6;
        std::string line = columns_of(
            fmt::to_string(event.sequence),
            fmt::format("{:.3f}", static_cast<double>(event.time - first_) / per_millisecond),
            event.event, text(event.index), text(event.head), text(event.length),
            event.packet ? fmt::format("#{}", *event.packet) : "");
        if (!event.reason.empty()) line += "  " + event.reason;
        line.erase(line.find_last_not_of(' ') + 1);
        out_ << ink(line, ink_of(event)) << '\n';
    }

    static Ink ink_of(const RingEvent& event) {
        if (event.event == "kick" || event.event == "call") return Ink::strong;
        return is_kick(event) || is_call(event) ? Ink::changed : Ink::plain;
    }

    static std::string columns_of(std::string_view sequence, std::string_view time,
                                  std::string_view event, std::string_view index,
                                  std::string_view head, std::string_view length,
                                  std::string_view packet) {
        return fmt::format("{:>8}  {:>10}  {:<15}  {:>5}  {:>5}  {:>6}  {:>6}", sequence, time,
                           event, index, head, length, packet);
    }

    std::ostream& out_;
    const ShowOptions& options_;
    chain::Nanoseconds first_ = 0;
    std::map<Place, std::vector<const RingEvent*>> queues_;
    std::vector<const RingEvent*> losses_;
    std::set<const RingEvent*> chosen_;  ///< of the packet that was asked for
};

}  // namespace

void show_ring(std::ostream& out, const chain::Recording& recording, const ShowOptions& options) {
    RingPrinter(out, recording, options).print();
}

}  // namespace skbtrail::labs
