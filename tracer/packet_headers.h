// The headers of a packet, decoded from its first bytes so that a person and a condition can name
// it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace skbtrail::tracer {

struct PacketHeaders {
    std::map<std::string, std::string> fields;  ///< chain::Packet::headers
    std::string summary;                        ///< chain::Packet::summary
};

/// Decodes `bytes`, which begin at the network header of a packet of `protocol` (an ethertype, host
/// order). Bytes that are cut short give as many fields as there are.
PacketHeaders decode_headers(std::uint16_t protocol, std::span<const std::uint8_t> bytes);

}  // namespace skbtrail::tracer
