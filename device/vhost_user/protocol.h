// The vhost-user protocol as it goes over the socket: requests, flags, feature bits and payloads,
// with what makes a payload valid beside its definition.
//
// References are to "Vhost-user Protocol" in QEMU's documentation (docs/interop/vhost-user.rst).
// Numbers are in the machine's byte order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/result.h"
#include "device/virtqueue/inflight_area.h"

namespace skbtrail::device::vhost_user {

/// "Front-end message types".
// NOLINTNEXTLINE(performance-enum-size): the type is the protocol's
enum class Request : std::uint32_t {
    get_features = 1,
    set_features = 2,
    set_owner = 3,
    reset_owner = 4,
    set_mem_table = 5,
    set_log_base = 6,
    set_log_fd = 7,
    set_vring_num = 8,
    set_vring_addr = 9,
    set_vring_base = 10,
    get_vring_base = 11,
    set_vring_kick = 12,
    set_vring_call = 13,
    set_vring_err = 14,
    get_protocol_features = 15,
    set_protocol_features = 16,
    get_queue_num = 17,
    set_vring_enable = 18,
    send_rarp = 19,
    net_set_mtu = 20,
    set_backend_req_fd = 21,
    iotlb_msg = 22,
    set_vring_endian = 23,
    get_config = 24,
    set_config = 25,
    create_crypto_session = 26,
    close_crypto_session = 27,
    postcopy_advise = 28,
    postcopy_listen = 29,
    postcopy_end = 30,
    get_inflight_fd = 31,
    set_inflight_fd = 32,
    gpu_set_socket = 33,
    reset_device = 34,
    vring_kick = 35,
    get_max_mem_slots = 36,
    add_mem_reg = 37,
    rem_mem_reg = 38,
    set_status = 39,
    get_status = 40,
};

/// "Back-end message types".
// NOLINTNEXTLINE(performance-enum-size): the type is the protocol's
enum class BackEndRequest : std::uint32_t {
    config_change = 2,
    vring_call = 4,
    vring_err = 5,
};

/// "Header".
struct Header {
    std::uint32_t request;
    std::uint32_t flags;
    std::uint32_t size;  ///< of the payload
};
static_assert(sizeof(Header) == 12);

inline constexpr std::uint32_t flag_version_mask = 0x3;
inline constexpr std::uint32_t flag_version = 0x1;
inline constexpr std::uint32_t flag_reply = 0x4;
inline constexpr std::uint32_t flag_need_reply = 0x8;

/// Larger than any message of the protocol. A header that claims more is not one.
inline constexpr std::uint32_t max_payload = 4096;
/// Descriptors that come with one message: one for each region of a memory table.
inline constexpr std::size_t max_fds = 8;

/// Whether what was read can be the header of a request: version 1, no reply, no unknown flag, a
/// size that a message can have. Failing, the stream is lost.
Result<> validate(const Header& header);

/// VHOST_USER_F_PROTOCOL_FEATURES: a virtio feature bit that drivers never see.
inline constexpr std::uint64_t protocol_features_bit = std::uint64_t{1} << 30;

// "Protocol features".
inline constexpr std::uint64_t protocol_mq = std::uint64_t{1} << 0;
inline constexpr std::uint64_t protocol_log_shmfd = std::uint64_t{1} << 1;
inline constexpr std::uint64_t protocol_rarp = std::uint64_t{1} << 2;
inline constexpr std::uint64_t protocol_reply_ack = std::uint64_t{1} << 3;
inline constexpr std::uint64_t protocol_mtu = std::uint64_t{1} << 4;
inline constexpr std::uint64_t protocol_backend_req = std::uint64_t{1} << 5;
inline constexpr std::uint64_t protocol_cross_endian = std::uint64_t{1} << 6;
inline constexpr std::uint64_t protocol_crypto_session = std::uint64_t{1} << 7;
inline constexpr std::uint64_t protocol_pagefault = std::uint64_t{1} << 8;
inline constexpr std::uint64_t protocol_config = std::uint64_t{1} << 9;
inline constexpr std::uint64_t protocol_inflight_shmfd = std::uint64_t{1} << 12;
inline constexpr std::uint64_t protocol_reset_device = std::uint64_t{1} << 13;
inline constexpr std::uint64_t protocol_inband_notifications = std::uint64_t{1} << 14;
inline constexpr std::uint64_t protocol_configure_mem_slots = std::uint64_t{1} << 15;
inline constexpr std::uint64_t protocol_status = std::uint64_t{1} << 16;

/// "mq reply_ack", for logs.
std::string describe_protocol_features(std::uint64_t features);

/// "A vring state description".
struct VringState {
    std::uint32_t index;
    std::uint32_t num;
};
static_assert(sizeof(VringState) == 8);

/// "A vring address description".
struct VringAddress {
    std::uint32_t index;
    std::uint32_t flags;
    std::uint64_t descriptors;
    std::uint64_t used;
    std::uint64_t available;
    std::uint64_t log;
};
static_assert(sizeof(VringAddress) == 40);
inline constexpr std::uint32_t vring_flag_log = 1;  ///< VHOST_VRING_F_LOG

/// Only the logging flag exists, and only with `logging` negotiated.
Result<> validate(const VringAddress& address, bool logging);

/// The payload of SET_VRING_KICK, _CALL and _ERR: index in bits 0 to 7, bit 8 "no descriptor".
struct VringFile {
    unsigned index;
    bool no_fd;
};
/// Fails for other bits, and when the flag and the number of descriptors disagree.
Result<VringFile> parse_vring_file(std::uint64_t payload, std::size_t fds);

/// "A region".
struct MemoryRegion {
    std::uint64_t guest_address;
    std::uint64_t size;
    std::uint64_t user_address;
    std::uint64_t offset;
};
static_assert(sizeof(MemoryRegion) == 32);
inline constexpr std::size_t max_table_regions = 8;

/// "Memory regions description": a count, padding, and so many regions.
inline constexpr std::size_t memory_table_header = 8;
/// Fails when the count exceeds the protocol's bound, the payload, or is not the number of
/// descriptors. A payload may be longer than its count needs: UML sends a fixed array.
Result<std::vector<MemoryRegion>> parse_memory_table(std::span<const std::byte> payload,
                                                     std::size_t fds);

/// "Single memory region description".
struct SingleMemoryRegion {
    std::uint64_t padding;
    MemoryRegion region;
};
static_assert(sizeof(SingleMemoryRegion) == 40);

/// "Log description".
struct LogDescription {
    std::uint64_t size;
    std::uint64_t offset;
};
static_assert(sizeof(LogDescription) == 16);

/// "Inflight description". The structure has 24 bytes where its compiler pads it, as with most
/// front ends, else 20.
inline constexpr std::uint32_t least_inflight = 20;
inline constexpr std::uint32_t most_inflight = 24;
InflightDescription parse_inflight(std::span<const std::byte> payload);
/// Of `size` bytes, least_inflight or more.
std::vector<std::byte> to_payload(const InflightDescription& description, std::size_t size);

/// "Virtio device config space": this header, then `size` bytes.
struct ConfigHeader {
    std::uint32_t offset;
    std::uint32_t size;
    std::uint32_t flags;
};
static_assert(sizeof(ConfigHeader) == 12);
inline constexpr std::uint32_t max_config_bytes = 256;
inline constexpr std::uint32_t config_flag_migration = 1;

/// The header of a GET_CONFIG or SET_CONFIG, once its size is the size of what follows.
Result<ConfigHeader> parse_config(std::span<const std::byte> payload);

/// A payload of fixed layout. The size was checked against the message table.
template <typename T>
T read_payload(std::span<const std::byte> payload) {
    T value;
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
}

template <typename T>
std::vector<std::byte> to_payload(const T& value) {
    std::vector<std::byte> bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

}  // namespace skbtrail::device::vhost_user
