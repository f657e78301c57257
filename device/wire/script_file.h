// A script: which frames the wire sends, when, and which it expects. A JSON file:
//
// docs/wires.md says what may stand in it. Each step has a trigger (`when`), frames that it sends
// (`send`), and frames that it waits for (`expect`); it happens once.
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
#include "device/wire/script_binding.h"
#include "device/wire/script_frame.h"
#include "device/wire/script_json.h"

namespace skbtrail::device {

/// Which side of the wire a frame came from.
enum class FrameOrigin : std::uint8_t { guest, uplink };

/// Frames by origin and headers.
struct FramePattern {
    std::optional<FrameOrigin> from;  ///< absent: either
    HeaderWords headers;              ///< canonical values, or references to bound ones

    bool matches(FrameOrigin origin, const HeaderWords& words, const Bindings& bindings = {}) const;
    /// "icmp.type=echo-request from the guest", for a person.
    std::string describe() const;
};

struct OnStart {};
struct OnFrame {
    FramePattern frame;
    std::uint64_t count = 1;
    BoundWords bind;  ///< what to keep of the frame that sets the step off
};
struct OnStepDone {
    std::size_t step = 0;  ///< an earlier one
};
using ScriptTrigger = std::variant<OnStart, OnFrame, OnStepDone>;

struct ScriptExpectation {
    FramePattern frame;
    std::uint64_t count = 1;
    std::chrono::milliseconds within{5000};
    BoundWords bind;  ///< what to keep of the last of them
};

/// What a step sends: one frame, or several made of one description.
struct ScriptFrame {
    /// The frame; where it speaks of bound values, with samples in their place.
    FrameRecipe recipe;
    /// Its description, when it speaks of bound values.
    std::optional<nlohmann::json> description;
    std::uint32_t repeat = 1;
    std::size_t fragment_mtu = 0;  ///< cut into IPv4 fragments of this length; 0: not cut
};

struct ScriptStep {
    std::string name;
    ScriptTrigger when;
    std::chrono::milliseconds after{0};
    std::vector<ScriptFrame> send;
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
