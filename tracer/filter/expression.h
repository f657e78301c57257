// A pcap expression ("icmp and host 192.0.2.1"), compiled by libpcap to classic BPF.
//
// A packet that arrives has a link header; one that is being sent has none for most of its way. So
// the expression is compiled twice, for frames and for packets that begin with their IP header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace skbtrail::tracer {

/// One instruction of classic BPF, as linux/filter.h has it.
struct ClassicInstruction {
    std::uint16_t code = 0;
    std::uint8_t jump_true = 0;
    std::uint8_t jump_false = 0;
    std::uint32_t k = 0;
};
using ClassicProgram = std::vector<ClassicInstruction>;

/// The programs of one expression.
struct Expression {
    ClassicProgram frame;  ///< for an Ethernet frame
    /// For an IPv4 or IPv6 packet without its link header; absent when the expression asks for
    /// something that only a link header has.
    std::optional<ClassicProgram> packet;
};

/// Compiles `text`. Throws Failure with what libpcap says of it.
Expression compile_expression(const std::string& text);

/// Runs a program on `bytes` of a packet that is `length` bytes long.
bool accepts(const ClassicProgram& program, std::span<const std::uint8_t> bytes,
             std::uint32_t length);

}  // namespace skbtrail::tracer
