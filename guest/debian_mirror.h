// Which mirror this machine's apt uses, and what apt says about the kernels there. Pure functions
// over apt's output, so that they can be tested on recorded text; apt_state.h runs the programs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/kernel_store.h"

namespace skbtrail::guest {

/// The URIs that a machine gets Debian from.
struct DebianMirror {
    std::string archive;   ///< "http://mirror.example/debian/"
    std::string security;  ///< the same of debian-security; empty when the machine names none
};

/// Finds the mirror in the output of `apt-get indextargets` (with or without release information;
/// with it, other vendors' repositories are told apart surely, without it by the names of Debian's
/// releases). Nothing when no Debian archive is among the machine's sources.
std::optional<DebianMirror> find_mirror(std::string_view indextargets);

/// The suites that kernels are looked for in.
const std::vector<std::string>& kernel_suites();

/// One-line sources for `suites` of the mirror, signed by `keyring` (empty: by what apt trusts).
std::string sources_list(const DebianMirror& mirror, const std::string& keyring);

/// A suite whose lists could not be fetched, and apt's own words on it.
struct FailedSuite {
    std::string suite;
    std::string reason;

    bool operator==(const FailedSuite&) const = default;
};

/// Reads what `apt-get update` wrote to its errors: one entry for each suite named there.
std::vector<FailedSuite> failed_suites(std::string_view errors);

/// Of the package names that `apt-cache pkgnames linux-image-` prints, those of cloud kernels: not
/// unsigned, not debug symbols, not the packages that only depend on the newest.
std::vector<std::string> cloud_kernel_packages(std::string_view pkgnames);

/// Reads `apt-cache madison PACKAGE…`; a version that several suites have is named once, with the
/// first of them. Ordered by version, oldest first.
std::vector<AvailableKernel> parse_madison(std::string_view text);

/// From the "Depends:" fields of `apt-cache show` of a kernel's packages: those that hold other
/// parts of the same kernel (from 6.19 on: linux-binary-RELEASE, linux-modules-RELEASE,
/// linux-base-RELEASE), as "name=version" where a version is demanded.
std::vector<std::string> kernel_parts(std::string_view show, const std::string& release);

/// True when a kernel is what a user means by `spec`: its release; or a version of which `spec` is
/// all, or the leading numbers ("6.12" means 6.12.95, not 6.120).
bool matches(std::string_view spec, std::string_view release, std::string_view package_version);

}  // namespace skbtrail::guest
