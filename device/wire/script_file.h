// A script: which frames the wire sends, when, and which it expects. A JSON file:
//
//   {"format": "skbtrail-script", "version": 1,
//    "uplink": "nat",                          the wire behind this one; absent: none
//    "steps": [
//      {"name": "ping the guest",              unique; absent: "step 1", …
//       "when": {"frame": PATTERN, "count": 3},   the third such frame was seen
//       "after_ms": 200,                       and so long after that
//       "send": FRAME or [FRAME, …],           a burst goes out at once
//       "expect": {"frame": PATTERN, "count": 1, "within_ms": 2000}}]}
//
// `when` is "start" (the guest's driver is ready; also when absent), {"frame": …} or
// {"step": NAME} (an earlier step is done: sent, and what it expected was seen). Each step runs
// once.
//
// PATTERN: {"from": "guest" | "uplink", …} and words of frame_headers.h, all of which must agree.
//
// FRAME: {"ethernet": {"source": MAC, "destination": MAC, "type": "0x88b5"},
//         "arp": {"operation": "request", "sender_mac": MAC, "sender": IP, "target_mac": MAC,
//                 "target": IP},
//         "ipv4": {"source": IP, "destination": IP, "ttl": 64, "tos": 0, "id": 0,
//                  "dont_fragment": false, "protocol": 253},
//         "icmp": {"type": "echo-request", "code": 0, "id": 7, "sequence": 1},
//         "udp": {"source": 53, "destination": 4000},
//         "tcp": {"source": 80, "destination": 4000, "flags": "SYN,ACK", "sequence": 1,
//                 "acknowledgement": 1, "window": 65535},
//         "payload": "text" | {"text": …} | {"hex": "de ad"} | {"size": 56}}
//     or {"raw": "52 55 0a …"}: the whole frame. A MAC may be "guest": the address that the
//     guest's own frames come from; a frame that needs it waits until it is known.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "device/wire/frame_headers.h"
#include "device/wire/script_frame.h"
#include "device/wire/script_json.h"

namespace skbtrail::device {

/// Which side of the wire a frame came from.
enum class FrameOrigin : std::uint8_t { guest, uplink };

/// Frames by origin and headers.
struct FramePattern {
    std::optional<FrameOrigin> from;  ///< absent: either
    HeaderWords headers;              ///< canonical values

    bool matches(FrameOrigin origin, const HeaderWords& words) const;
    /// "icmp.type=echo-request from the guest", for a person.
    std::string describe() const;
};

struct OnStart {};
struct OnFrame {
    FramePattern frame;
    std::uint64_t count = 1;
};
struct OnStepDone {
    std::size_t step = 0;  ///< an earlier one
};
using ScriptTrigger = std::variant<OnStart, OnFrame, OnStepDone>;

struct ScriptExpectation {
    FramePattern frame;
    std::uint64_t count = 1;
    std::chrono::milliseconds within{5000};
};

struct ScriptStep {
    std::string name;
    ScriptTrigger when;
    std::chrono::milliseconds after{0};
    std::vector<FrameRecipe> send;
    std::optional<ScriptExpectation> expect;
};

struct Script {
    std::string file;
    std::optional<std::string> uplink;  ///< a specification for make_wire()
    std::vector<ScriptStep> steps;
};

/// Reads and checks a script. Throws ScriptError.
Script load_script(const std::string& path);
/// The same of a text; `file` is for messages.
Script parse_script(std::string_view text, const std::string& file);

}  // namespace skbtrail::device
