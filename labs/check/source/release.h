// Is a source tree that of the kernel which was recorded?
#pragma once

#include <string>
#include <string_view>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::source {

/// The upstream version of the kernel that was recorded, as far as it is known: "6.1.192" from the
/// version of Debian's package where the recording has that, else as its release begins.
std::string upstream_version(const chain::Observed& observed);

/// Whether a tree whose Makefile says `tree_release` ("6.12.95") is surely of another upstream
/// version than the kernel that was recorded. Stable releases compare only where both are known:
/// the Makefile of Debian's linux-source-6.1 says 6.1.0, and so does a release like
/// "6.1.0-56-cloud-amd64", for any 6.1.x.
bool is_other_version(std::string_view tree_release, const chain::Observed& observed);

}  // namespace skbtrail::labs::source
