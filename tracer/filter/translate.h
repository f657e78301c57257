// From classic BPF to the BPF that runs inside our program in the kernel.
#pragma once

#include <cstddef>
#include <vector>

#include <linux/bpf.h>

#include "tracer/filter/expression.h"

namespace skbtrail::tracer {

/// Translates a program into the body of a function that is given
///   r1: the bytes, `capacity` of which may be read;
///   r2: how many of them are the packet's (32 bits);
///   r3: the packet's length (32 bits),
/// and leaves in r0, at its end, whether the packet is accepted. What lies behind the bytes at hand
/// is not accepted, as in libpcap. The kernel's verifier can see of each load that it is inside
/// `capacity`. Throws Failure for an instruction that libpcap has no use for in a filter of
/// packets.
std::vector<bpf_insn> translate(const ClassicProgram& program, std::size_t capacity);

/// Puts `body` into the place for it in `program`: `room` instructions behind a load of `marker`
/// into r0. What is not needed of the room is jumped over (r4 is lost), and the kernel removes it.
/// Throws Failure when it does not fit, or there is no such place.
void insert_at_marker(std::vector<bpf_insn>& program, std::uint64_t marker, std::size_t room,
                      const std::vector<bpf_insn>& body);

}  // namespace skbtrail::tracer
