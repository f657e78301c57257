// The addresses and forwards of a nat wire, as its options say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <netinet/in.h>

#include "device/wire/spec.h"

namespace skbtrail::device {

/// `hostfwd=tcp:[HOSTADDRESS]:HOSTPORT-[GUESTADDRESS]:GUESTPORT`: a port of the host whose
/// connections go to the guest.
struct HostForward {
    std::string text;  ///< as given, for messages
    bool udp = false;
    in_addr host_address{};  ///< 127.0.0.1 unless said otherwise
    std::uint16_t host_port = 0;
    in_addr guest_address{};  ///< the first DHCP lease unless said otherwise
    std::uint16_t guest_port = 0;
};

/// Addresses in network order, as libslirp takes them.
struct NatOptions {
    std::string network_text = "10.0.2.0/24";
    in_addr network{};
    in_addr mask{};
    in_addr gateway{};      ///< host part 2
    in_addr name_server{};  ///< host part 3
    in_addr first_lease{};  ///< host part 15
    bool restricted = false;
    bool ipv6 = false;
    bool host_loopback = true;
    bool offload = true;  ///< TCP in frames larger than the guest's link takes
    std::vector<HostForward> forwards;
};

/// What a nat wire can be told.
std::span<const WireOption> nat_option_list();

/// Throws std::invalid_argument with a sentence that names the option.
NatOptions parse_nat_options(const WireOptions& options);

}  // namespace skbtrail::device
