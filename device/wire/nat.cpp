#include "device/wire/nat.h"

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

#include "device/wire/nat_options.h"

namespace skbtrail::device {

namespace {

/// An IP packet of the greatest length in a frame; a longer frame is no IP and no ARP.
constexpr std::size_t longest_frame = 65535 + ETHER_HDR_LEN;
/// Ethernet's shortest frame without FCS. A card would pad; libslirp's parsers may count on it.
constexpr std::size_t shortest_frame = ETHER_MIN_LEN - ETHER_CRC_LEN;

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
    return config;
}

}  // namespace

std::span<const WireOption> NatWire::options() {
    return nat_option_list();
}

NatWire::NatWire(const WireOptions& options, EventLoop& loop) {
    const NatOptions nat = parse_nat_options(options);
    log_through_spdlog();
    description_ = fmt::format("nat {}{}{}", nat.network_text, nat.restricted ? ", restricted" : "",
                               nat.ipv6 ? ", IPv6 fec0::/64" : "");
    network_ = std::make_unique<SlirpLoop>(
        make_config(nat), loop,
        [this](std::span<const std::byte> bytes) { to_guest_.push(Frame{bytes, {}}); });
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
    if (frame.bytes.size() < ETHER_HDR_LEN || frame.bytes.size() > longest_frame) {
        ++from_guest_.dropped;
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    if (frame.bytes.size() < shortest_frame) {
        std::array<std::byte, shortest_frame> padded{};
        std::copy(frame.bytes.begin(), frame.bytes.end(), padded.begin());
        network_->input(padded);
    } else {
        network_->input(frame.bytes);
    }
}

WireCounters NatWire::counters() const {
    return {from_guest_, to_guest_.counters(), to_guest_.waiting()};
}

}  // namespace skbtrail::device
