#include "device/vhost_user/protocol.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::device::vhost_user {

Result<> validate(const Header& header) {
    if ((header.flags & flag_version_mask) != flag_version) {
        return failure(fmt::format("a message of protocol version {}, not {}",
                                   header.flags & flag_version_mask, flag_version));
    }
    if ((header.flags & flag_reply) != 0) {
        return failure("a reply, and nothing was asked");
    }
    constexpr std::uint32_t known = flag_version_mask | flag_reply | flag_need_reply;
    if ((header.flags & ~known) != 0) {
        return failure(fmt::format("a message with unknown flags {:#x}", header.flags & ~known));
    }
    if (header.size > max_payload) {
        return failure(
            fmt::format("a message that claims a payload of {} bytes, and none has more "
                        "than {}",
                        header.size, max_payload));
    }
    return {};
}

std::string describe_protocol_features(std::uint64_t features) {
    constexpr std::array<const char*, 17> names = {
        "mq",
        "log_shmfd",
        "rarp",
        "reply_ack",
        "mtu",
        "backend_req",
        "cross_endian",
        "crypto_session",
        "pagefault",
        "config",
        "backend_send_fd",
        "host_notifier",
        "inflight_shmfd",
        "reset_device",
        "inband_notifications",
        "configure_mem_slots",
        "status",
    };
    std::vector<std::string> words;
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((features >> bit & 1) != 0) {
            words.push_back(bit < names.size() ? names[bit] : fmt::format("bit {}", bit));
        }
    }
    return fmt::format("{}", fmt::join(words, " "));
}

Result<> validate(const VringAddress& address, bool logging) {
    if ((address.flags & ~vring_flag_log) != 0) {
        return failure(fmt::format("unknown ring flags {:#x}", address.flags & ~vring_flag_log));
    }
    if ((address.flags & vring_flag_log) != 0 && !logging) {
        return failure("asks to log writes to the ring, which was not negotiated");
    }
    return {};
}

Result<VringFile> parse_vring_file(std::uint64_t payload, std::size_t fds) {
    constexpr std::uint64_t index_mask = 0xff;
    constexpr std::uint64_t no_fd_mask = 0x100;
    if ((payload & ~(index_mask | no_fd_mask)) != 0) {
        return failure(fmt::format("unknown bits {:#x} beside the ring's index",
                                   payload & ~(index_mask | no_fd_mask)));
    }
    const VringFile file{static_cast<unsigned>(payload & index_mask), (payload & no_fd_mask) != 0};
    if (file.no_fd != (fds == 0)) {
        return failure(file.no_fd ? "says that there is no descriptor and brings one"
                                  : "brings no descriptor and does not say so");
    }
    return file;
}

Result<std::vector<MemoryRegion>> parse_memory_table(std::span<const std::byte> payload,
                                                     std::size_t fds) {
    const auto count = read_payload<std::uint32_t>(payload);
    if (count > max_table_regions) {
        return failure(
            fmt::format("{} memory regions, and a table has at most {}", count, max_table_regions));
    }
    if (payload.size() < memory_table_header + count * sizeof(MemoryRegion)) {
        return failure(
            fmt::format("{} memory regions in a payload of {} bytes", count, payload.size()));
    }
    if (fds != count) {
        return failure(fmt::format("{} memory regions and {} descriptors", count, fds));
    }
    std::vector<MemoryRegion> regions;
    regions.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        regions.push_back(read_payload<MemoryRegion>(
            payload.subspan(memory_table_header + i * sizeof(MemoryRegion))));
    }
    return regions;
}

InflightDescription parse_inflight(std::span<const std::byte> payload) {
    return {read_payload<std::uint64_t>(payload), read_payload<std::uint64_t>(payload.subspan(8)),
            read_payload<std::uint16_t>(payload.subspan(16)),
            read_payload<std::uint16_t>(payload.subspan(18))};
}

std::vector<std::byte> to_payload(const InflightDescription& description, std::size_t size) {
    std::vector<std::byte> payload(size);
    std::memcpy(payload.data(), &description.size, 8);
    std::memcpy(payload.data() + 8, &description.offset, 8);
    std::memcpy(payload.data() + 16, &description.queues, 2);
    std::memcpy(payload.data() + 18, &description.queue_size, 2);
    return payload;
}

Result<ConfigHeader> parse_config(std::span<const std::byte> payload) {
    const auto header = read_payload<ConfigHeader>(payload);
    if (header.size != payload.size() - sizeof header) {
        return failure(fmt::format("says {} bytes of configuration and has {}", header.size,
                                   payload.size() - sizeof header));
    }
    if ((header.flags & ~config_flag_migration) != 0) {
        return failure(fmt::format("unknown configuration flags {:#x}", header.flags));
    }
    return header;
}

}  // namespace skbtrail::device::vhost_user
