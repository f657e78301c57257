// A recording with a call less than the kernel made.
#pragma once

#include <filesystem>
#include <string>

#include "tracer/chain/recording.h"

namespace skbtrail::tests {

/// Writes `recording` without its first call of `function` to `changed`. The packet that the call
/// handled. Throws std::runtime_error when there is no such call, or it handled none.
chain::PacketId take_out(const std::filesystem::path& recording, const std::string& function,
                         const std::filesystem::path& changed);

}  // namespace skbtrail::tests
