#include "device/wire/nat.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <glib.h>
#include <net/ethernet.h>
#include <spdlog/spdlog.h>

#include "device/wire/nat_frames.h"
#include "device/wire/nat_options.h"

namespace skbtrail::device {

namespace {

/// An IP packet of the greatest length in a frame; a longer frame is no IP and no ARP.
constexpr std::size_t longest_ip_frame = 65535 + ETHER_HDR_LEN;
/// Ethernet's shortest frame without FCS. A card would pad; libslirp's parsers may count on it.
constexpr std::size_t shortest_frame = ETHER_MIN_LEN - ETHER_CRC_LEN;

/// With offload, the largest TCP segment that libslirp makes. Its window has 64 KiB, and it tells
/// the guest of new room in it only when there is room for two segments: more than half of the
/// window could make the guest wait for what never comes, and less of it costs speed.
constexpr std::uint16_t large_mss = 16384;
/// RFC 879 would have 536; Linux names no less than this.
constexpr std::uint16_t smallest_mss = 48;
/// What every guest's link takes.
constexpr std::size_t guest_mtu = 1500;

/// libslirp speaks through GLib's log, which would write to stderr in its own form.
void log_through_spdlog() {
    static std::once_flag once;
    std::call_once(once, [] {
        g_log_set_handler(
            "Slirp", G_LOG_LEVEL_MASK,
            [](const gchar*, GLogLevelFlags level, const gchar* message, gpointer) {
                const bool serious =
                    (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0;
                spdlog::log(serious ? spdlog::level::warn : spdlog::level::debug, "nat: {}",
                            message);
            },
            nullptr);
    });
}

SlirpConfig make_config(const NatOptions& options) {
    SlirpConfig config{};
    config.version = SLIRP_CONFIG_VERSION_MAX;
    config.restricted = options.restricted;
    config.in_enabled = true;
    config.vnetwork = options.network;
    config.vnetmask = options.mask;
    config.vhost = options.gateway;
    config.vnameserver = options.name_server;
    config.vdhcp_start = options.first_lease;
    config.in6_enabled = options.ipv6;
    ::inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    config.vprefix_len = 64;
    ::inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    ::inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    config.disable_host_loopback = !options.host_loopback;
    if (options.offload) {
        // With room for the headers of IPv4 and TCP.
        config.if_mtu = config.if_mru = large_mss + 40;
    }
    return config;
}

}  // namespace

std::span<const WireOption> NatWire::options() {
    return nat_option_list();
}

NatWire::NatWire(const WireOptions& options, EventLoop& loop) {
    const NatOptions nat = parse_nat_options(options);
    log_through_spdlog();
    offload_ = nat.offload;
    description_ = fmt::format("nat {}{}{}", nat.network_text, nat.restricted ? ", restricted" : "",
                               nat.ipv6 ? ", IPv6 fec0::/64" : "");
    network_ = std::make_unique<SlirpLoop>(
        make_config(nat), loop, [this](std::span<const std::byte> bytes) { output(bytes); });
    for (const auto& forward : nat.forwards) {
        if (slirp_add_hostfwd(network_->slirp(), forward.udp, forward.host_address,
                              forward.host_port, forward.guest_address, forward.guest_port) != 0) {
            throw std::runtime_error(
                fmt::format("--wire nat: hostfwd={}: cannot listen on that port of the host: {}",
                            forward.text, std::generic_category().message(errno)));
        }
    }
}

void NatWire::transmit(const Frame& frame) {
    if (frame.bytes.size() < ETHER_HDR_LEN || frame.bytes.size() > longest_ip_frame) {
        ++from_guest_.dropped;
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    input(frame);
}

void NatWire::input(const Frame& frame) {
    const auto mss = offload_ ? find_mss(frame.bytes) : std::nullopt;
    if (!mss && frame.bytes.size() >= shortest_frame) {
        network_->input(frame.bytes);
        return;
    }
    changed_input_.assign(frame.bytes.begin(), frame.bytes.end());
    changed_input_.resize(std::max(changed_input_.size(), shortest_frame));
    if (mss) {
        guest_mss_ = std::max(*mss, smallest_mss);
        replace_mss(changed_input_, large_mss);
    }
    network_->input(changed_input_);
}

void NatWire::output(std::span<const std::byte> bytes) {
    if (bytes.size() <= guest_mtu + ETHER_HDR_LEN || !offload_) {
        to_guest_.push(Frame{bytes, {}});
        return;
    }
    changed_output_.assign(bytes.begin(), bytes.end());
    if (const auto offload = mark_segment(changed_output_, guest_mss_)) {
        to_guest_.push(Frame{changed_output_, *offload, Frame::any_pair, changed_output_});
        return;
    }
    // Datagrams: libslirp believes that the link takes them whole.
    const bool cut = fragment_ipv4(bytes, guest_mtu, [this](std::span<const std::byte> fragment) {
        to_guest_.push(Frame{fragment, {}});
    });
    if (!cut) {
        to_guest_.push(Frame{bytes, {}});
    }
}

bool NatWire::takes_segments(std::uint8_t gso_type) const {
    // libslirp takes any length over IPv4; over IPv6 it insists on its MTU.
    return offload_ && (gso_type == gso_tcp4 || gso_type == (gso_tcp4 | gso_ecn));
}

WireCounters NatWire::counters() const {
    return {from_guest_, to_guest_.counters(), to_guest_.waiting()};
}

}  // namespace skbtrail::device
