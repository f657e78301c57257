// Messages about the device as a whole: its status, its configuration, its place in the network.

#include <array>
#include <cstring>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "device/vhost_user/session.h"

namespace skbtrail::device::vhost_user {

Session::Handled Session::set_status(std::uint64_t status) {
    if (status > std::numeric_limits<std::uint8_t>::max()) {
        return failure(fmt::format("a device status of {:#x}, and it has 8 bits", status));
    }
    device_.set_status(static_cast<std::uint8_t>(status));
    return Reply();
}

Session::Handled Session::get_config(const Message& message) {
    const auto header = parse_config(message.payload);
    if (!header) {
        return tl::make_unexpected(header.error());
    }
    std::vector<std::byte> reply = message.payload;
    if (auto read = device_.read_config(header->offset, std::span(reply).subspan(sizeof *header));
        !read) {
        // "uses zero length of payload to indicate an error"
        spdlog::error("GET_CONFIG: {}", read.error().message);
        reply.clear();
    }
    return Reply{std::move(reply), {}};
}

Session::Handled Session::set_config(const Message& message) {
    const auto header = parse_config(message.payload);
    if (!header) {
        return tl::make_unexpected(header.error());
    }
    return silently(device_.write_config(header->offset,
                                         std::span(message.payload).subspan(sizeof *header),
                                         (header->flags & config_flag_migration) != 0));
}

Session::Handled Session::reset_device() {
    if (inflight_) {
        inflight_->forget(packed_);  // with the driver that waited for them
    }
    device_.reset();
    logging_ = false;
    packed_ = false;
    // Memory, log, notes and channel are the front end's, and stay.
    device_.set_memory(memory_);
    device_.set_log(log_);
    if (auto set = device_.set_inflight(inflight_); !set) {
        return silently(std::move(set));
    }
    notify_in_band();
    return Reply();
}

Session::Handled Session::send_rarp(std::uint64_t payload) {
    // "The first 6 bytes of the payload contain the mac address"
    std::array<std::byte, 6> mac;
    std::memcpy(mac.data(), &payload, mac.size());
    return silently(network_.announce(mac));
}

Session::Handled Session::set_back_end_channel(Message& message) {
    auto channel = BackEndChannel::adopt(std::move(message.fds.front()), loop_,
                                         negotiated(protocol_reply_ack));
    if (!channel) {
        return tl::make_unexpected(channel.error());
    }
    channel_ = std::move(*channel);
    notify_in_band();
    return Reply();
}

}  // namespace skbtrail::device::vhost_user
