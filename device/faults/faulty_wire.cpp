#include "device/faults/faulty_wire.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace skbtrail::device {

FaultyWire::FaultyWire(std::unique_ptr<Wire> wire, FaultSet& faults, EventLoop& loop)
    : wire_(std::move(wire)),
      faults_(faults),
      timer_(loop, [this] { release_due(); }),
      link_up_(loop.add_timer([this] {
          if (card_.set_link) {
              card_.set_link(true);
          }
      })),
      soon_(loop.add_timer([this] {
          if (std::exchange(link_down_due_, false) && card_.set_link) {
              card_.set_link(false);
              link_up_.arm(Clock::now() + down_for_);
          }
          if (std::exchange(disconnect_due_, false) && card_.disconnect) {
              card_.disconnect();
          }
      })) {
    to_guest_.out = [this](const Frame& frame) { waiting_.push(frame); };
    from_guest_.out = [this](const Frame& frame) { wire_->transmit(frame); };
}

void FaultyWire::attach(Deliver deliver) {
    downstream_ = std::move(deliver);
    waiting_.attach(downstream_);
    wire_->attach([this](const Frame& frame) { return this->deliver(frame); });
}

void FaultyWire::transmit(const Frame& frame) {
    if (faults_.all().empty() && from_guest_.held() == 0) {
        wire_->transmit(frame);
    } else {
        meet(from_guest_, false, frame);
    }
}

Delivery FaultyWire::deliver(const Frame& frame) {
    if (waiting_.waiting() > 0) {
        return false;  // on_receive_ready() will be told, and pass it on
    }
    if (faults_.all().empty() && to_guest_.held() == 0) {
        return downstream_(frame);
    }
    meet(to_guest_, true, frame);
    return true;
}

void FaultyWire::on_receive_ready() {
    waiting_.drain();
    if (waiting_.waiting() == 0) {
        wire_->on_receive_ready();
    }
}

void FaultyWire::on_guest_left() {
    to_guest_.dropped += to_guest_.held();
    to_guest_.delayed.clear();
    to_guest_.overtaken.clear();
    waiting_.clear();
    wire_->on_guest_left();
}

WireCounters FaultyWire::counters() const {
    WireCounters counters = wire_->counters();
    counters.waiting += waiting_.waiting() + held();
    counters.from_guest.dropped += from_guest_.dropped;
    counters.to_guest.dropped += to_guest_.dropped + waiting_.counters().dropped;
    return counters;
}

std::size_t FaultyWire::held() const noexcept {
    return to_guest_.held() + from_guest_.held();
}

void FaultyWire::meet(Way& way, bool to_guest, Frame frame) {
    bool twice = false;
    std::optional<std::chrono::nanoseconds> late;
    Fault* reorder = nullptr;
    for (const auto& fault : faults_.all()) {
        const FaultSpec& spec = fault->spec();
        if (!(to_guest ? spec.to_guest : spec.from_guest) ||
            place_of(spec.kind) == FaultPlace::queue || !fault->strikes()) {
            continue;
        }
        switch (spec.kind) {
            case FaultKind::drop:
                ++way.dropped;
                return;
            case FaultKind::delay:
                late = late.value_or(std::chrono::nanoseconds(0)) + fault->time();
                break;
            case FaultKind::duplicate:
                twice = true;
                break;
            case FaultKind::reorder:
                reorder = fault.get();
                break;
            case FaultKind::corrupt:
                if (frame.bytes.empty()) {
                    fault->could_not();
                } else {
                    const auto at = fault->dice().below(frame.bytes.size());
                    const auto difference = static_cast<std::byte>(1 + fault->dice().below(255));
                    if (way.changed.data() != frame.bytes.data()) {
                        way.changed.assign(frame.bytes.begin(), frame.bytes.end());
                    }
                    way.changed[at] ^= difference;
                    frame.bytes = way.changed;
                    frame.scratch = way.changed;
                }
                break;
            case FaultKind::checksum_flag:
                if (frame.offload.needs_checksum && frame.offload.gso_type == 0) {
                    frame.offload.needs_checksum = false;
                } else if (!frame.offload.needs_checksum) {
                    frame.offload.data_valid = !frame.offload.data_valid;
                } else {
                    fault->could_not();  // segments without a checksum to fill in make no frames
                }
                break;
            case FaultKind::link_flap:
                link_down_due_ = true;
                down_for_ = fault->time();
                soon_.arm(Clock::now());
                break;
            case FaultKind::disconnect:
                disconnect_due_ = true;
                soon_.arm(Clock::now());
                break;
            default:
                break;
        }
    }
    if (twice) {
        frame.scratch = {};  // the second time it must still be the same
    }
    for (int copies = twice ? 2 : 1; copies > 0; --copies) {
        if ((late || reorder != nullptr) && way.held() >= most_held) {
            for (const auto& fault : faults_.all()) {
                if ((late && fault->spec().kind == FaultKind::delay) || fault.get() == reorder) {
                    fault->could_not();
                }
            }
            pass(way, frame);
        } else if (late) {
            way.delayed.emplace(Clock::now() + *late, FrameCopy(frame));
        } else if (reorder != nullptr) {
            way.overtaken.push_back(
                {FrameCopy(frame), reorder->spec().number, Clock::now() + reorder->spec().time});
        } else {
            pass(way, frame);
        }
    }
    if (late || reorder != nullptr) {
        arm();
    }
}

void FaultyWire::pass(Way& way, const Frame& frame) {
    way.out(frame);
    // Out of the list first: what goes out may come back here, reflected.
    std::vector<FrameCopy> follow;
    std::erase_if(way.overtaken, [&](Overtaken& one) {
        if (--one.more > 0) {
            return false;
        }
        follow.push_back(std::move(one.copy));
        return true;
    });
    for (FrameCopy& copy : follow) {
        way.out(copy.last_frame());
    }
}

void FaultyWire::release_due() {
    const auto now = Clock::now();
    for (Way* const way : {&to_guest_, &from_guest_}) {
        std::vector<FrameCopy> due;
        while (!way->delayed.empty() && way->delayed.begin()->first <= now) {
            due.push_back(std::move(way->delayed.begin()->second));
            way->delayed.erase(way->delayed.begin());
        }
        std::erase_if(way->overtaken, [&](Overtaken& one) {
            if (one.latest > now) {
                return false;
            }
            due.push_back(std::move(one.copy));
            return true;
        });
        for (FrameCopy& copy : due) {
            way->out(copy.last_frame());
        }
    }
    arm();
}

void FaultyWire::arm() {
    std::optional<Clock::time_point> next;
    const auto consider = [&](Clock::time_point when) {
        next = next ? std::min(*next, when) : when;
    };
    for (const Way* const way : {&to_guest_, &from_guest_}) {
        if (!way->delayed.empty()) {
            consider(way->delayed.begin()->first);
        }
        for (const Overtaken& one : way->overtaken) {
            consider(one.latest);
        }
    }
    if (next) {
        timer_.arm(*next);
    } else {
        timer_.disarm();
    }
}

}  // namespace skbtrail::device
