// What each request must look like: one row a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/result.h"
#include "device/vhost_user/protocol.h"

namespace skbtrail::device::vhost_user {

/// Which requests are answered.
enum class ReplyKind : std::uint8_t {
    if_wished,  ///< with a status, if need_reply says so
    always,     ///< with a status, wished for or not
    own,        ///< with a content of its own, so that need_reply changes nothing
};

struct MessageRule {
    Request request;
    const char* name;  ///< as the specification writes it, without VHOST_USER_
    std::uint32_t least_payload;
    std::uint32_t most_payload;
    std::size_t least_fds;
    std::size_t most_fds;
    /// Protocol features that must have been negotiated.
    std::uint64_t needs;
    ReplyKind reply;
    /// False: named here for the sake of clear messages; nothing of it is offered.
    bool offered;
};

/// All requests of the specification, by number.
std::span<const MessageRule> message_rules();
/// nullptr: a request that the specification does not have (yet).
const MessageRule* find_rule(std::uint32_t request);

/// Size of the payload and number of descriptors against the rule.
Result<> check_shape(const MessageRule& rule, std::size_t payload, std::size_t fds);

}  // namespace skbtrail::device::vhost_user
