// Seeds: what each fuzzer starts from, made of what honest front ends, drivers, wires and people
// send, so that the fuzzer spends its time on what lies beside that.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::hostile {

/// Inputs by name, which becomes the name of a file.
using Seeds = std::map<std::string, std::vector<std::byte>>;

/// A text as an input.
inline std::vector<std::byte> bytes_of(std::string_view text) {
    const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
    return {begin, begin + text.size()};
}

Seeds message_seeds();
Seeds ring_seeds();
Seeds frame_seeds();
Seeds script_seeds();
Seeds control_seeds();
Seeds recording_seeds();
Seeds line_seeds();
Seeds driver_command_seeds();

}  // namespace skbtrail::hostile
