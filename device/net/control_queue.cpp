#include "device/net/control_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

constexpr std::byte answer_ok{0};     // VIRTIO_NET_OK
constexpr std::byte answer_error{1};  // VIRTIO_NET_ERR

}  // namespace

ControlQueue::ControlQueue(EventLoop& loop, unsigned index, RingEventLog* events,
                           ReceiveFilter& filter, ControlTarget& target)
    : NetQueue(
          loop, index, "control", events, [this] { look(); }, [this] { return look(); }),
      filter_(filter),
      target_(target),
      refusals_(virtqueue().name()),
      command_(max_control_bytes) {}

bool ControlQueue::look() {
    std::size_t handled = 0;
    for (int looks = 0; handled < turn_budget && looks < most_looks;) {
        Ring* const ring = virtqueue().ring();
        if (ring == nullptr) {
            poll().sleep();
            return handled > 0;
        }
        Chain chain;
        const auto taken = take(std::span(&chain, 1));
        if (!taken) {
            virtqueue().fault(taken.error());
            continue;
        }
        if (*taken > 0) {
            note_taken(chain);
            if (auto done = handle(chain); !done) {
                finish_batch();
                virtqueue().fault(std::move(done.error()));
                continue;
            }
            complete(std::move(chain), 1, 1);
            // Drivers wait for the answer of one command before they give the next.
            finish_batch();
            ++handled;
            continue;
        }
        if (virtqueue().polled()) {
            poll().wake();
            return handled > 0;
        }
        const auto more = ring->ask_for_kicks();
        if (!more) {
            virtqueue().fault(more.error());
            continue;
        }
        if (!*more) {
            poll().sleep();
            return handled > 0;
        }
        ++looks;
    }
    // Goes on in the next turn: the other queues have theirs before it.
    poll().wake();
    return true;
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
        refusals_.warn(fmt::format("refused a command: {}", done.error().message));
    }
    const std::array answer{done ? answer_ok : answer_error};
    scatter(chain.writable(), 0, answer);
    return {};
}

}  // namespace skbtrail::device
