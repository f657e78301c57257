// Messages about rings.

#include <fmt/format.h>

#include "device/vhost_user/session.h"
#include "device/virtqueue/notifier.h"

namespace skbtrail::device::vhost_user {

Session::Handled Session::set_ring_addresses(const VringAddress& address) {
    if (auto valid = validate(address, logging_); !valid) {
        return tl::make_unexpected(valid.error());
    }
    RingAddresses addresses{UserAddress{address.descriptors}, UserAddress{address.available},
                            UserAddress{address.used}};
    if ((address.flags & vring_flag_log) != 0) {
        addresses.used_log = GuestAddress{address.log};
    }
    return silently(device_.set_ring_addresses(address.index, addresses));
}

Session::Handled Session::get_ring_base(const VringState& state) {
    return device_.stop_ring(state.index).map([&](std::uint32_t base) {
        return Reply{to_payload(VringState{state.index, base}), {}};
    });
}

Session::Handled Session::set_ring_enabled(const VringState& state) {
    if (state.num > 1) {
        return failure(
            fmt::format("neither enables nor disables queue {}: {}", state.index, state.num));
    }
    return silently(device_.set_ring_enabled(state.index, state.num == 1));
}

Session::Handled Session::set_ring_file(Request request, Message& message) {
    const auto file =
        parse_vring_file(read_payload<std::uint64_t>(message.payload), message.fds.size());
    if (!file) {
        return tl::make_unexpected(file.error());
    }
    UniqueFd fd = file->no_fd ? UniqueFd() : std::move(message.fds.front());
    switch (request) {
        case Request::set_vring_kick:
            return silently(device_.set_ring_kick(file->index, std::move(fd)));
        case Request::set_vring_call:
            had_call_.set(file->index);
            return silently(device_.set_ring_call(file->index, std::move(fd)));
        default:
            return silently(device_.set_ring_error(file->index, std::move(fd)));
    }
}

Session::Handled Session::kick_ring(const VringState& state) {
    if (state.num != 0) {
        return failure(fmt::format("a number of {}, which is reserved and must be 0", state.num));
    }
    return silently(device_.kick_ring(state.index));
}

void Session::notify_in_band() {
    if (!channel_ || !negotiated(protocol_inband_notifications)) {
        return;
    }
    for (unsigned queue = 0; queue < device_.queue_count(); ++queue) {
        if (had_call_.test(queue)) {
            continue;
        }
        device_.set_ring_in_band(
            queue, CallTarget::through([this, queue] { return channel_ && channel_->call(queue); }),
            CallTarget::through([this, queue] { return channel_ && channel_->error(queue); }));
    }
}

}  // namespace skbtrail::device::vhost_user
