#include "device/net/control_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device {

namespace {

constexpr std::byte answer_ok{0};     // VIRTIO_NET_OK
constexpr std::byte answer_error{1};  // VIRTIO_NET_ERR

}  // namespace

ControlQueue::ControlQueue(EventLoop& loop, unsigned index, RingEventLog* events,
                           ReceiveFilter& filter, ControlTarget& target)
    : NetQueue(
          loop, index, "control", events, [this] { woken(); }, [this] { return look(); }),
      filter_(filter),
      target_(target),
      command_(max_control_bytes) {}

bool ControlQueue::look() {
    const Ring* const ring = virtqueue().ring();
    if (ring == nullptr || !virtqueue().polled()) {
        poll().sleep();
        return false;
    }
    if (ring->looks_empty()) {
        return false;
    }
    woken();
    return true;
}

void ControlQueue::woken() {
    if (virtqueue().polled()) {
        poll().wake();
    }
    while (Ring* const ring = virtqueue().ring()) {
        auto next = ring->take();
        if (next && next->has_value()) {
            Chain chain = std::move(next->value());
            note_taken(chain);
            if (auto handled = handle(chain); !handled) {
                finish_batch();
                virtqueue().fault(std::move(handled.error()));
                return;
            }
            complete(std::move(chain), 1, 1);
            // Drivers wait for the answer of one command before they give the next.
            finish_batch();
            continue;
        }
        if (!next) {
            virtqueue().fault(std::move(next.error()));
            return;
        }
        const auto more = ring->ask_for_kicks();
        if (!more) {
            virtqueue().fault(more.error());
            return;
        }
        if (!*more) {
            return;
        }
    }
}

tl::expected<void, RingFault> ControlQueue::handle(const Chain& chain) {
    if (chain.writable_bytes() == 0) {
        return ring_fault(
            RingFaultKind::chain_too_short,
            fmt::format("control command at head {} has no room for an answer", chain.head()));
    }
    const std::size_t length = chain.readable_bytes();
    Result<> done = failure(fmt::format("of {} bytes, longer than any", length));
    if (length <= command_.size()) {
        gather(chain.readable(), 0, std::span(command_).first(length));
        done = execute_control(std::span(command_).first(length), negotiated(), filter_, target_);
    }
    ++commands_;
    if (!done) {
        ++refused_;
        spdlog::warn("{}: refused a command: {}", virtqueue().name(), done.error().message);
    }
    const std::array answer{done ? answer_ok : answer_error};
    scatter(chain.writable(), 0, answer);
    return {};
}

}  // namespace skbtrail::device
