#include "device/vhost_user/session.h"

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device::vhost_user {

namespace {

RegionDescription describe(const MemoryRegion& region) {
    return {GuestAddress{region.guest_address}, region.size, UserAddress{region.user_address},
            region.offset};
}

/// Drops a value that success brings: for messages without a reply of their own.
Result<std::vector<std::byte>> silently(Result<> result) {
    return std::move(result).map([] { return std::vector<std::byte>(); });
}

Result<std::vector<std::byte>> answer(std::uint64_t value) {
    return to_payload(value);
}

}  // namespace

Session::Session(VirtioDevice& device, NetworkControl& network, SessionOptions options)
    : device_(device), network_(network), options_(options) {}

Session::~Session() {
    device_.reset();
}

std::uint64_t Session::offered_protocol_features() const noexcept {
    return protocol_mq | protocol_rarp | protocol_reply_ack | protocol_mtu | protocol_reset_device |
           protocol_configure_mem_slots | protocol_status |
           (options_.serve_config ? protocol_config : 0);
}

Session::Answer Session::handle(Message message) {
    const bool need_reply = message.need_reply;
    const auto acknowledge = [&](std::uint64_t status) {
        return need_reply && (protocol_features_ & protocol_reply_ack) != 0
                   ? std::optional(to_payload(status))
                   : std::nullopt;
    };
    const MessageRule* const rule = find_rule(message.request);
    if (rule == nullptr) {
        spdlog::warn("the front end sent request {}, which the protocol does not have",
                     message.request);
        return {acknowledge(1), std::nullopt};
    }
    const auto refuse = [&](std::string reason) -> Answer {
        if (auto reply = rule->answers ? std::nullopt : acknowledge(1)) {
            spdlog::error("refused: {}", reason);
            return {std::move(reply), std::nullopt};
        }
        return {std::nullopt, std::move(reason)};
    };
    if (!rule->offered) {
        return refuse(fmt::format("{}: this back end does not offer it", rule->name));
    }
    if (auto shape = check_shape(*rule, message.payload.size(), message.fds.size()); !shape) {
        return {rule->answers ? std::nullopt : acknowledge(1), shape.error().message};
    }
    if ((rule->needs & ~protocol_features_) != 0) {
        return refuse(fmt::format("{} needs the protocol feature {}, which was not negotiated",
                                  rule->name, describe_protocol_features(rule->needs)));
    }
    spdlog::debug("{}", rule->name);
    auto handled = dispatch(rule->request, message);
    if (!handled) {
        return refuse(fmt::format("{}: {}", rule->name, handled.error().message));
    }
    if (rule->answers) {
        return {std::move(*handled), std::nullopt};
    }
    // Evaluated only now: SET_PROTOCOL_FEATURES may just have negotiated acknowledgements.
    return {acknowledge(0), std::nullopt};
}

Session::Handled Session::dispatch(Request request, Message& message) {
    const auto u64 = [&] { return read_payload<std::uint64_t>(message.payload); };
    const auto state = [&] { return read_payload<VringState>(message.payload); };
    switch (request) {
        case Request::get_features:
            return answer(device_.offered_features() | protocol_features_bit);
        case Request::set_features:
            return set_features(u64());
        case Request::set_owner:
            return Handled{};
        case Request::reset_owner:
            // Deprecated, and recommended to do only this.
            device_.disable_queues();
            return Handled{};
        case Request::set_mem_table:
            return set_memory_table(message);
        case Request::set_vring_num:
            return silently(device_.set_ring_size(state().index, state().num));
        case Request::set_vring_addr:
            return set_ring_addresses(read_payload<VringAddress>(message.payload));
        case Request::set_vring_base:
            return silently(device_.set_ring_base(state().index, state().num));
        case Request::get_vring_base:
            return get_ring_base(state());
        case Request::set_vring_kick:
        case Request::set_vring_call:
        case Request::set_vring_err:
            return set_ring_file(request, message);
        case Request::get_protocol_features:
            return answer(offered_protocol_features());
        case Request::set_protocol_features:
            return set_protocol_features(u64());
        case Request::get_queue_num:
            return answer(device_.queue_pairs());
        case Request::set_vring_enable:
            return set_ring_enabled(state());
        case Request::send_rarp:
            return send_rarp(u64());
        case Request::net_set_mtu:
            return silently(network_.set_mtu(u64()));
        case Request::get_config:
            return get_config(message);
        case Request::set_config:
            return set_config(message);
        case Request::reset_device:
            device_.reset();
            device_.set_memory(memory_);
            return Handled{};
        case Request::get_max_mem_slots:
            return answer(GuestMemory::max_regions);
        case Request::add_mem_reg:
            return add_memory_region(message);
        case Request::rem_mem_reg:
            return remove_memory_region(message);
        case Request::set_status:
            return set_status(u64());
        case Request::get_status:
            return answer(device_.status());
        default:
            return failure("has a rule and no handler");
    }
}

Session::Handled Session::set_features(std::uint64_t features) {
    auto result = device_.set_features(features & ~protocol_features_bit);
    if (result && (features & protocol_features_bit) == 0) {
        // "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring starts directly in
        // the enabled state."
        for (unsigned queue = 0; queue < device_.queue_count(); ++queue) {
            if (auto enabled = device_.set_ring_enabled(queue, true); !enabled) {
                return silently(std::move(enabled));
            }
        }
    }
    return silently(std::move(result));
}

Session::Handled Session::set_protocol_features(std::uint64_t features) {
    const std::uint64_t foreign = features & ~offered_protocol_features();
    if (foreign != 0) {
        return failure(fmt::format("accepts protocol features that were not offered: {}",
                                   describe_protocol_features(foreign)));
    }
    protocol_features_ = features;
    spdlog::debug("protocol features: {}", describe_protocol_features(features));
    return Handled{};
}

Session::Handled Session::set_memory_table(Message& message) {
    const auto regions = parse_memory_table(message.payload, message.fds.size());
    if (!regions) {
        return tl::make_unexpected(regions.error());
    }
    // All or nothing: a table that is refused leaves the old one in use.
    GuestMemory memory;
    for (std::size_t i = 0; i < regions->size(); ++i) {
        auto next = Region::map(describe((*regions)[i]), message.fds[i]).and_then([&](auto region) {
            return memory.with(std::move(region));
        });
        if (!next) {
            return failure(next.error().message);
        }
        memory = std::move(*next);
    }
    use_memory(std::move(memory));
    return Handled{};
}

Session::Handled Session::add_memory_region(Message& message) {
    auto memory = Region::map(describe(read_payload<SingleMemoryRegion>(message.payload).region),
                              message.fds.front())
                      .and_then([&](auto region) { return memory_->with(std::move(region)); });
    if (!memory) {
        return failure(memory.error().message);
    }
    use_memory(std::move(*memory));
    return Handled{};
}

Session::Handled Session::remove_memory_region(const Message& message) {
    auto memory =
        memory_->without(describe(read_payload<SingleMemoryRegion>(message.payload).region));
    if (!memory) {
        return failure(memory.error().message);
    }
    use_memory(std::move(*memory));
    return Handled{};
}

void Session::use_memory(GuestMemory memory) {
    memory_ = std::make_shared<GuestMemory>(std::move(memory));
    device_.set_memory(memory_);
}

Session::Handled Session::set_ring_addresses(const VringAddress& address) {
    // Logging is not offered (VHOST_F_LOG_ALL), so it cannot have been negotiated.
    if (auto valid = validate(address, false); !valid) {
        return tl::make_unexpected(valid.error());
    }
    return silently(device_.set_ring_addresses(
        address.index, {UserAddress{address.descriptors}, UserAddress{address.available},
                        UserAddress{address.used}}));
}

Session::Handled Session::get_ring_base(const VringState& state) {
    return device_.stop_ring(state.index).map([&](std::uint32_t base) {
        return to_payload(VringState{state.index, base});
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
            return silently(device_.set_ring_call(file->index, std::move(fd)));
        default:
            return silently(device_.set_ring_error(file->index, std::move(fd)));
    }
}

Session::Handled Session::set_status(std::uint64_t status) {
    if (status > std::numeric_limits<std::uint8_t>::max()) {
        return failure(fmt::format("a device status of {:#x}, and it has 8 bits", status));
    }
    device_.set_status(static_cast<std::uint8_t>(status));
    return Handled{};
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
    return reply;
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

Session::Handled Session::send_rarp(std::uint64_t payload) {
    // "The first 6 bytes of the payload contain the mac address"
    std::array<std::byte, 6> mac;
    std::memcpy(mac.data(), &payload, mac.size());
    return silently(network_.announce(mac));
}

}  // namespace skbtrail::device::vhost_user
