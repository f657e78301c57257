// The order of Debian version numbers.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// Compares two Debian versions as deb-version(7) orders them: "6.12.95-1~bpo12+1" comes before
/// "6.12.95-1" comes before "6.12.107-1". Any text has a place in the order.
std::weak_ordering compare_debian_versions(std::string_view left, std::string_view right);

/// The part of a Debian version that is the author's: "6.12.95" of "1:6.12.95-1~bpo12+1".
std::string_view upstream_version(std::string_view version);

/// The series of kernels that a Debian version of one belongs to: "6.12" of "6.12.95-1~bpo12+1".
std::string series_of(std::string_view package_version);

}  // namespace skbtrail::guest
