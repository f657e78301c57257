#include "device/wire/nat_options.h"

#include <array>
#include <optional>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "device/parse_number.h"

namespace skbtrail::device {

namespace {

constexpr std::array known_options{
    WireOption{"network", "ADDRESS/PREFIX", "the guest's network (10.0.2.0/24)"},
    WireOption{"restrict", "on|off", "on: nothing beyond the gateway's own answers (off)"},
    WireOption{"host-loopback", "on|off",
               "on: the gateway's address reaches services on the host's 127.0.0.1 (on)"},
    WireOption{"ipv6", "on|off", "on: also fec0::/64 with router advertisements (off)"},
    WireOption{"offload", "on|off",
               "on: TCP in frames larger than the guest's MTU, to be cut by who has to (on)"},
    WireOption{"hostfwd", "tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT",
               "connections to a port of the host (127.0.0.1) go to the guest", true},
};

std::optional<in_addr> parse_address(std::string_view text) {
    in_addr address{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
        return std::nullopt;
    }
    return address;
}

in_addr host_in(in_addr network, std::uint32_t host) {
    return {.s_addr = htonl(ntohl(network.s_addr) | host)};
}

void parse_network(const WireOptions& options, NatOptions& nat) {
    nat.network_text = options.text("network").value_or(nat.network_text);
    const std::string_view text = nat.network_text;
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    const auto prefix = slash == std::string_view::npos
                            ? std::nullopt
                            : parse_number<std::uint32_t>(text.substr(slash + 1));
    if (!address || !prefix) {
        options.fail("network", "expected an IPv4 network, for example 10.0.2.0/24");
    }
    // Host parts 2, 3 and sixteen leases from 15 on have to fit.
    if (*prefix < 8 || *prefix > 27) {
        options.fail("network",
                     "the prefix must be between 8 and 27, to leave room for gateway, "
                     "name server and leases");
    }
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - *prefix);
    const std::uint32_t bits = ntohl(address->s_addr);
    if ((bits & ~mask) != 0) {
        const in_addr meant{.s_addr = htonl(bits & mask)};
        std::array<char, INET_ADDRSTRLEN> buffer{};
        ::inet_ntop(AF_INET, &meant, buffer.data(), buffer.size());
        options.fail("network", fmt::format("that is the address of a host; did you mean {}/{}?",
                                            buffer.data(), *prefix));
    }
    nat.network = *address;
    nat.mask.s_addr = htonl(mask);
    nat.gateway = host_in(nat.network, 2);
    nat.name_server = host_in(nat.network, 3);
    nat.first_lease = host_in(nat.network, 15);
}

/// `[ADDRESS]:PORT`.
bool parse_endpoint(std::string_view text, in_addr& address, std::uint16_t& port) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) {
        return false;
    }
    if (colon > 0) {
        const auto parsed = parse_address(text.substr(0, colon));
        if (!parsed) {
            return false;
        }
        address = *parsed;
    }
    const auto number = parse_number<std::uint16_t>(text.substr(colon + 1));
    port = number.value_or(0);
    return port != 0;
}

std::optional<HostForward> parse_forward(const std::string& text, const NatOptions& nat) {
    HostForward forward;
    forward.text = text;
    forward.host_address.s_addr = htonl(INADDR_LOOPBACK);
    forward.guest_address = nat.first_lease;
    std::string_view rest = text;
    if (rest.starts_with("udp:")) {
        forward.udp = true;
    } else if (!rest.starts_with("tcp:")) {
        return std::nullopt;
    }
    rest.remove_prefix(4);
    const auto dash = rest.find('-');
    if (dash == std::string_view::npos ||
        !parse_endpoint(rest.substr(0, dash), forward.host_address, forward.host_port) ||
        !parse_endpoint(rest.substr(dash + 1), forward.guest_address, forward.guest_port)) {
        return std::nullopt;
    }
    return forward;
}

}  // namespace

std::span<const WireOption> nat_option_list() {
    return known_options;
}

NatOptions parse_nat_options(const WireOptions& options) {
    NatOptions nat;
    parse_network(options, nat);
    nat.restricted = options.on_off("restrict", nat.restricted);
    nat.ipv6 = options.on_off("ipv6", nat.ipv6);
    nat.host_loopback = options.on_off("host-loopback", nat.host_loopback);
    nat.offload = options.on_off("offload", nat.offload);
    for (const auto& text : options.all("hostfwd")) {
        auto forward = parse_forward(text, nat);
        if (!forward) {
            options.fail("hostfwd", fmt::format("\"{}\" is not of the form tcp:[ADDRESS]:PORT-"
                                                "[ADDRESS]:PORT, for example tcp::8080-:80",
                                                text));
        }
        nat.forwards.push_back(std::move(*forward));
    }
    return nat;
}

}  // namespace skbtrail::device
