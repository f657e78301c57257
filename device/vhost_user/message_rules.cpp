#include "device/vhost_user/message_rules.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace skbtrail::device::vhost_user {

namespace {

constexpr std::uint32_t u64 = 8;
constexpr std::uint32_t state = sizeof(VringState);
constexpr std::uint32_t address = sizeof(VringAddress);
constexpr std::uint32_t region = sizeof(SingleMemoryRegion);
constexpr std::uint32_t least_table = memory_table_header;
constexpr std::uint32_t most_table = memory_table_header + max_table_regions * sizeof(MemoryRegion);
constexpr std::uint32_t least_config = sizeof(ConfigHeader);
constexpr std::uint32_t most_config = sizeof(ConfigHeader) + max_config_bytes;

constexpr std::uint32_t log = sizeof(LogDescription);
constexpr ReplyKind wished = ReplyKind::if_wished;
constexpr ReplyKind own = ReplyKind::own;

// A request that is not offered is refused before its shape is looked at.
constexpr MessageRule not_offered(Request request, const char* name, std::uint64_t needs,
                                  ReplyKind reply) {
    return {request, name, 0, max_payload, 0, max_fds, needs, reply, false};
}

constexpr std::array rules = {
    // clang-format off
    //                                                   payload                    fds     needs, reply, offered
    MessageRule{Request::get_features, "GET_FEATURES",          0, 0,               0, 0, 0, own, true},
    MessageRule{Request::set_features, "SET_FEATURES",          u64, u64,           0, 0, 0, wished, true},
    MessageRule{Request::set_owner, "SET_OWNER",                0, 0,               0, 0, 0, wished, true},
    MessageRule{Request::reset_owner, "RESET_OWNER",            0, 0,               0, 0, 0, wished, true},
    MessageRule{Request::set_mem_table, "SET_MEM_TABLE",        least_table, most_table, 0, max_fds, 0, wished, true},
    // "Here is a list of the ones that do [require replies]": this one, without saying what is in it.
    MessageRule{Request::set_log_base, "SET_LOG_BASE",          log, log,           1, 1, protocol_log_shmfd, ReplyKind::always, true},
    MessageRule{Request::set_log_fd, "SET_LOG_FD",              0, u64,             1, 1, protocol_log_shmfd, wished, true},
    MessageRule{Request::set_vring_num, "SET_VRING_NUM",        state, state,       0, 0, 0, wished, true},
    MessageRule{Request::set_vring_addr, "SET_VRING_ADDR",      address, address,   0, 0, 0, wished, true},
    MessageRule{Request::set_vring_base, "SET_VRING_BASE",      state, state,       0, 0, 0, wished, true},
    MessageRule{Request::get_vring_base, "GET_VRING_BASE",      state, state,       0, 0, 0, own, true},
    MessageRule{Request::set_vring_kick, "SET_VRING_KICK",      u64, u64,           0, 1, 0, wished, true},
    MessageRule{Request::set_vring_call, "SET_VRING_CALL",      u64, u64,           0, 1, 0, wished, true},
    MessageRule{Request::set_vring_err, "SET_VRING_ERR",        u64, u64,           0, 1, 0, wished, true},
    // Legal before anything is negotiated, and not acknowledged by SET_FEATURES.
    MessageRule{Request::get_protocol_features, "GET_PROTOCOL_FEATURES", 0, 0,      0, 0, 0, own, true},
    MessageRule{Request::set_protocol_features, "SET_PROTOCOL_FEATURES", u64, u64,  0, 0, 0, wished, true},
    MessageRule{Request::get_queue_num, "GET_QUEUE_NUM",        0, 0,               0, 0, protocol_mq, own, true},
    // The specification wants F_PROTOCOL_FEATURES first; QEMU enables rings before SET_FEATURES.
    MessageRule{Request::set_vring_enable, "SET_VRING_ENABLE",  state, state,       0, 0, 0, wished, true},
    MessageRule{Request::send_rarp, "SEND_RARP",                u64, u64,           0, 0, protocol_rarp, wished, true},
    MessageRule{Request::net_set_mtu, "NET_SET_MTU",            u64, u64,           0, 0, protocol_mtu, wished, true},
    // The specification gives it no payload; a number has been seen there.
    MessageRule{Request::set_backend_req_fd, "SET_BACKEND_REQ_FD", 0, u64,          1, 1, protocol_backend_req, wished, true},
    not_offered(Request::iotlb_msg, "IOTLB_MSG", 0, own),
    not_offered(Request::set_vring_endian, "SET_VRING_ENDIAN", protocol_cross_endian, wished),
    MessageRule{Request::get_config, "GET_CONFIG",              least_config, most_config, 0, 0, protocol_config, own, true},
    MessageRule{Request::set_config, "SET_CONFIG",              least_config, most_config, 0, 0, protocol_config, wished, true},
    not_offered(Request::create_crypto_session, "CREATE_CRYPTO_SESSION", protocol_crypto_session, own),
    not_offered(Request::close_crypto_session, "CLOSE_CRYPTO_SESSION", protocol_crypto_session, wished),
    not_offered(Request::postcopy_advise, "POSTCOPY_ADVISE", protocol_pagefault, own),
    not_offered(Request::postcopy_listen, "POSTCOPY_LISTEN", protocol_pagefault, wished),
    not_offered(Request::postcopy_end, "POSTCOPY_END", protocol_pagefault, own),
    MessageRule{Request::get_inflight_fd, "GET_INFLIGHT_FD",    least_inflight, most_inflight, 0, 0, protocol_inflight_shmfd, own, true},
    MessageRule{Request::set_inflight_fd, "SET_INFLIGHT_FD",    least_inflight, most_inflight, 1, 1, protocol_inflight_shmfd, wished, true},
    not_offered(Request::gpu_set_socket, "GPU_SET_SOCKET", 0, wished),
    MessageRule{Request::reset_device, "RESET_DEVICE",          0, 0,               0, 0, protocol_reset_device, wished, true},
    MessageRule{Request::vring_kick, "VRING_KICK",              state, state,       0, 0, protocol_inband_notifications, wished, true},
    MessageRule{Request::get_max_mem_slots, "GET_MAX_MEM_SLOTS", 0, 0,              0, 0, protocol_configure_mem_slots, own, true},
    MessageRule{Request::add_mem_reg, "ADD_MEM_REG",            region, region,     1, 1, protocol_configure_mem_slots, wished, true},
    // Some front ends send the descriptor again; it is closed unused.
    MessageRule{Request::rem_mem_reg, "REM_MEM_REG",            region, region,     0, 1, protocol_configure_mem_slots, wished, true},
    MessageRule{Request::set_status, "SET_STATUS",              u64, u64,           0, 0, protocol_status, wished, true},
    MessageRule{Request::get_status, "GET_STATUS",              0, 0,               0, 0, protocol_status, own, true},
    // clang-format on
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (static_cast<std::size_t>(rules[i].request) != i + 1) {
            return false;
        }
    }
    return true;
}
static_assert(in_order(), "find_rule() counts on a row for each number from 1");

std::string range(std::size_t least, std::size_t most) {
    return least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
}

}  // namespace

std::span<const MessageRule> message_rules() {
    return rules;
}

const MessageRule* find_rule(std::uint32_t request) {
    return request >= 1 && request <= rules.size() ? &rules[request - 1] : nullptr;
}

Result<> check_shape(const MessageRule& rule, std::size_t payload, std::size_t fds) {
    if (payload < rule.least_payload || payload > rule.most_payload) {
        return failure(fmt::format("{} with a payload of {} bytes, not {}", rule.name, payload,
                                   range(rule.least_payload, rule.most_payload)));
    }
    if (fds < rule.least_fds || fds > rule.most_fds) {
        return failure(fmt::format("{} with {} descriptors, not {}", rule.name, fds,
                                   range(rule.least_fds, rule.most_fds)));
    }
    return {};
}

}  // namespace skbtrail::device::vhost_user
