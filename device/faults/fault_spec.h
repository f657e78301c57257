// What --fault says: KIND[,key=value…].
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "device/result.h"

namespace skbtrail::device {

enum class FaultKind : std::uint8_t {
    // Of frames between the device and the wire.
    drop,
    delay,
    duplicate,
    reorder,
    corrupt,
    checksum_flag,
    // Of queues.
    lost_call,
    late_call,
    double_call,
    coalesce,
    no_buffers,
    never_used,
    unordered_used,
    // Of the card, by the frames that pass.
    link_flap,
    disconnect,
};
inline constexpr unsigned fault_kinds = 15;

/// "drop" … "disconnect".
const char* to_string(FaultKind kind);

enum class FaultPlace : std::uint8_t { wire, queue, card };
FaultPlace place_of(FaultKind kind);

struct FaultSpec {
    FaultKind kind{};
    bool to_guest = true;
    bool from_guest = true;
    double probability = 1;              ///< of each frame (call, chain), 0 to 1
    std::uint64_t every = 0;             ///< each so many; 0: by probability
    std::uint64_t skip = 0;              ///< the first so many pass
    std::uint64_t count = 0;             ///< no more than so often; 0: for ever
    std::optional<unsigned> queue;       ///< of faults of queues: this one alone
    std::chrono::nanoseconds time{0};    ///< what for depends on the kind
    std::chrono::nanoseconds jitter{0};  ///< of delay and late_call: up to so much more
    unsigned number = 0;                 ///< reorder: by; coalesce: frames; unordered_used: window
    std::string text;                    ///< as it was written
};

/// Fails with a sentence.
Result<FaultSpec> parse_fault(std::string_view text);

/// Whether a device with so many queues can have it. Fails with a sentence.
Result<> check_queue(const FaultSpec& fault, unsigned queues);

/// What there is, for --help.
std::string fault_help();

}  // namespace skbtrail::device
