#include "device/vhost_user/session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device::vhost_user {

namespace {

/// VHOST_F_LOG_ALL.
constexpr std::uint64_t log_all_bit = std::uint64_t{1} << 26;
/// VIRTIO_F_RING_PACKED.
constexpr std::uint64_t packed_bit = std::uint64_t{1} << 34;

}  // namespace

Session::Session(EventLoop& loop, VirtioDevice& device, NetworkControl& network,
                 SessionOptions options)
    : loop_(loop), device_(device), network_(network), options_(options) {
    device_.on_config_change(
        [this] { return channel_ && negotiated(protocol_config) && channel_->config_changed(); });
}

Session::~Session() {
    device_.on_config_change({});
    device_.reset();
}

Session::Handled Session::silently(Result<> result) {
    return std::move(result).map([] { return Reply(); });
}

Session::Handled Session::answer(std::uint64_t value) {
    return Reply{to_payload(value), {}};
}

std::uint64_t Session::offered_protocol_features() const noexcept {
    return protocol_mq | protocol_rarp | protocol_reply_ack | protocol_mtu | protocol_backend_req |
           protocol_reset_device | protocol_inband_notifications | protocol_configure_mem_slots |
           protocol_status | protocol_inflight_shmfd |
           ((device_.offered_features() & log_all_bit) != 0 ? protocol_log_shmfd : 0) |
           (options_.serve_config ? protocol_config : 0);
}

Session::Answer Session::handle(Message message) {
    const bool need_reply = message.need_reply;
    const auto acknowledge = [&](std::uint64_t status) {
        return need_reply && negotiated(protocol_reply_ack)
                   ? std::optional(Reply{to_payload(status), {}})
                   : std::nullopt;
    };
    const MessageRule* const rule = find_rule(message.request);
    if (rule == nullptr) {
        spdlog::warn("the front end sent request {}, which the protocol does not have",
                     message.request);
        return {acknowledge(1), std::nullopt};
    }
    // Where a success is answered unasked, a refusal is too only if it would be understood.
    const bool has_own_reply = rule->reply == ReplyKind::own;
    const auto refuse = [&](std::string reason) -> Answer {
        if (auto reply = has_own_reply ? std::nullopt : acknowledge(1)) {
            spdlog::error("refused: {}", reason);
            return {std::move(reply), std::nullopt};
        }
        return {std::nullopt, std::move(reason)};
    };
    if (!rule->offered) {
        return refuse(fmt::format("{}: this back end does not offer it", rule->name));
    }
    if (auto shape = check_shape(*rule, message.payload.size(), message.fds.size()); !shape) {
        return {has_own_reply ? std::nullopt : acknowledge(1), shape.error().message};
    }
    if (!negotiated(rule->needs)) {
        return refuse(fmt::format("{} needs the protocol feature {}, which was not negotiated",
                                  rule->name, describe_protocol_features(rule->needs)));
    }
    spdlog::debug("{}", rule->name);
    auto handled = dispatch(rule->request, message);
    if (end_) {
        return {has_own_reply ? std::nullopt : acknowledge(1),
                fmt::format("{}: {}", rule->name, *end_)};
    }
    if (!handled) {
        return refuse(fmt::format("{}: {}", rule->name, handled.error().message));
    }
    switch (rule->reply) {
        case ReplyKind::own:
            return {std::move(*handled), std::nullopt};
        case ReplyKind::always:
            return {Reply{to_payload(std::uint64_t{0}), {}}, std::nullopt};
        case ReplyKind::if_wished:
            break;
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
            return Reply();
        case Request::reset_owner:
            // Deprecated, and recommended to do only this.
            device_.disable_queues();
            return Reply();
        case Request::set_mem_table:
            return set_memory_table(message);
        case Request::set_log_base:
            return set_log_base(message);
        case Request::set_log_fd:
            return set_log_fd(message);
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
        case Request::set_backend_req_fd:
            return set_back_end_channel(message);
        case Request::get_config:
            return get_config(message);
        case Request::set_config:
            return set_config(message);
        case Request::get_inflight_fd:
            return get_inflight_fd(message);
        case Request::set_inflight_fd:
            return set_inflight_fd(message);
        case Request::reset_device:
            return reset_device();
        case Request::vring_kick:
            return kick_ring(state());
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
    const bool logging = (features & log_all_bit) != 0;
    if (logging && log_) {
        if (auto enough = check_log(*log_, *memory_); !enough) {
            return silently(std::move(enough));
        }
    }
    if (auto accepted = device_.set_features(features & ~protocol_features_bit); !accepted) {
        return silently(std::move(accepted));
    }
    logging_ = logging;
    packed_ = (features & packed_bit) != 0;
    if ((features & protocol_features_bit) == 0) {
        // "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring starts directly in
        // the enabled state."
        for (unsigned queue = 0; queue < device_.queue_count(); ++queue) {
            if (auto enabled = device_.set_ring_enabled(queue, true); !enabled) {
                return silently(std::move(enabled));
            }
        }
    }
    return Reply();
}

Session::Handled Session::set_protocol_features(std::uint64_t features) {
    const std::uint64_t foreign = features & ~offered_protocol_features();
    if (foreign != 0) {
        return failure(fmt::format("accepts protocol features that were not offered: {}",
                                   describe_protocol_features(foreign)));
    }
    constexpr std::uint64_t in_band_needs = protocol_backend_req | protocol_reply_ack;
    if ((features & protocol_inband_notifications) != 0 &&
        (features & in_band_needs) != in_band_needs) {
        // "the back-end should close the connection"
        end_ = fmt::format("accepts inband_notifications without {}",
                           describe_protocol_features(in_band_needs & ~features));
        return Reply();
    }
    protocol_features_ = features;
    spdlog::debug("protocol features: {}", describe_protocol_features(features));
    notify_in_band();
    return Reply();
}

}  // namespace skbtrail::device::vhost_user
