// A Debian package, as a file.
#pragma once

#include <filesystem>
#include <stop_token>

namespace skbtrail::guest {

/// Unpacks what `package` would install below `target`, which is made if need be. Throws Error.
void unpack_package(const std::filesystem::path& package, const std::filesystem::path& target,
                    std::stop_token stop);

}  // namespace skbtrail::guest
