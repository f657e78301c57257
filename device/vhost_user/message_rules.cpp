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

// A request that is not offered is refused before its shape is looked at.
constexpr MessageRule not_offered(Request request, const char* name, std::uint64_t needs,
                                  bool answers) {
    return {request, name, 0, max_payload, 0, max_fds, needs, answers, false};
}

constexpr std::array rules = {
    // clang-format off
    //                                                   payload                    fds     needs, answers, offered
    MessageRule{Request::get_features, "GET_FEATURES",          0, 0,               0, 0, 0, true, true},
    MessageRule{Request::set_features, "SET_FEATURES",          u64, u64,           0, 0, 0, false, true},
    MessageRule{Request::set_owner, "SET_OWNER",                0, 0,               0, 0, 0, false, true},
    MessageRule{Request::reset_owner, "RESET_OWNER",            0, 0,               0, 0, 0, false, true},
    MessageRule{Request::set_mem_table, "SET_MEM_TABLE",        least_table, most_table, 0, max_fds, 0, false, true},
    not_offered(Request::set_log_base, "SET_LOG_BASE", protocol_log_shmfd, true),
    not_offered(Request::set_log_fd, "SET_LOG_FD", protocol_log_shmfd, false),
    MessageRule{Request::set_vring_num, "SET_VRING_NUM",        state, state,       0, 0, 0, false, true},
    MessageRule{Request::set_vring_addr, "SET_VRING_ADDR",      address, address,   0, 0, 0, false, true},
    MessageRule{Request::set_vring_base, "SET_VRING_BASE",      state, state,       0, 0, 0, false, true},
    MessageRule{Request::get_vring_base, "GET_VRING_BASE",      state, state,       0, 0, 0, true, true},
    MessageRule{Request::set_vring_kick, "SET_VRING_KICK",      u64, u64,           0, 1, 0, false, true},
    MessageRule{Request::set_vring_call, "SET_VRING_CALL",      u64, u64,           0, 1, 0, false, true},
    MessageRule{Request::set_vring_err, "SET_VRING_ERR",        u64, u64,           0, 1, 0, false, true},
    // Legal before anything is negotiated, and not acknowledged by SET_FEATURES.
    MessageRule{Request::get_protocol_features, "GET_PROTOCOL_FEATURES", 0, 0,      0, 0, 0, true, true},
    MessageRule{Request::set_protocol_features, "SET_PROTOCOL_FEATURES", u64, u64,  0, 0, 0, false, true},
    MessageRule{Request::get_queue_num, "GET_QUEUE_NUM",        0, 0,               0, 0, protocol_mq, true, true},
    // The specification wants F_PROTOCOL_FEATURES first; QEMU enables rings before SET_FEATURES.
    MessageRule{Request::set_vring_enable, "SET_VRING_ENABLE",  state, state,       0, 0, 0, false, true},
    MessageRule{Request::send_rarp, "SEND_RARP",                u64, u64,           0, 0, protocol_rarp, false, true},
    MessageRule{Request::net_set_mtu, "NET_SET_MTU",            u64, u64,           0, 0, protocol_mtu, false, true},
    not_offered(Request::set_backend_req_fd, "SET_BACKEND_REQ_FD", protocol_backend_req, false),
    not_offered(Request::iotlb_msg, "IOTLB_MSG", 0, true),
    not_offered(Request::set_vring_endian, "SET_VRING_ENDIAN", protocol_cross_endian, false),
    MessageRule{Request::get_config, "GET_CONFIG",              least_config, most_config, 0, 0, protocol_config, true, true},
    MessageRule{Request::set_config, "SET_CONFIG",              least_config, most_config, 0, 0, protocol_config, false, true},
    not_offered(Request::create_crypto_session, "CREATE_CRYPTO_SESSION", protocol_crypto_session, true),
    not_offered(Request::close_crypto_session, "CLOSE_CRYPTO_SESSION", protocol_crypto_session, false),
    not_offered(Request::postcopy_advise, "POSTCOPY_ADVISE", protocol_pagefault, true),
    not_offered(Request::postcopy_listen, "POSTCOPY_LISTEN", protocol_pagefault, false),
    not_offered(Request::postcopy_end, "POSTCOPY_END", protocol_pagefault, true),
    not_offered(Request::get_inflight_fd, "GET_INFLIGHT_FD", protocol_inflight_shmfd, true),
    not_offered(Request::set_inflight_fd, "SET_INFLIGHT_FD", protocol_inflight_shmfd, false),
    not_offered(Request::gpu_set_socket, "GPU_SET_SOCKET", 0, false),
    MessageRule{Request::reset_device, "RESET_DEVICE",          0, 0,               0, 0, protocol_reset_device, false, true},
    not_offered(Request::vring_kick, "VRING_KICK", protocol_inband_notifications, false),
    MessageRule{Request::get_max_mem_slots, "GET_MAX_MEM_SLOTS", 0, 0,              0, 0, protocol_configure_mem_slots, true, true},
    MessageRule{Request::add_mem_reg, "ADD_MEM_REG",            region, region,     1, 1, protocol_configure_mem_slots, false, true},
    // Some front ends send the descriptor again; it is closed unused.
    MessageRule{Request::rem_mem_reg, "REM_MEM_REG",            region, region,     0, 1, protocol_configure_mem_slots, false, true},
    MessageRule{Request::set_status, "SET_STATUS",              u64, u64,           0, 0, protocol_status, false, true},
    MessageRule{Request::get_status, "GET_STATUS",              0, 0,               0, 0, protocol_status, true, true},
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
