#include "labs/check/source/release.h"

#include <vector>

#include "labs/check/conditions.h"

namespace skbtrail::labs::source {
namespace {

/// Version, patch level and sublevel; 0 where the last is not known.
std::vector<unsigned> numbers_of(std::string_view version) {
    auto numbers = version_numbers(version);
    numbers.resize(3, 0);
    return numbers;
}

}  // namespace

std::string upstream_version(const chain::Observed& observed) {
    // "linux-image-6.1.0-56-cloud-amd64 6.1.192-2 (bookworm-security)"
    if (const auto package = observed.host.find("kernel_package"); package != observed.host.end()) {
        const std::string& text = package->second;
        const auto space = text.find(' ');
        if (space != std::string::npos && !version_numbers(text.substr(space + 1)).empty()) {
            return text.substr(space + 1,
                               text.find_first_not_of("0123456789.", space + 1) - (space + 1));
        }
    }
    const std::string& release = observed.kernel_release;
    return release.substr(0, release.find_first_not_of("0123456789."));
}

bool is_other_version(std::string_view tree_release, const chain::Observed& observed) {
    const std::string version = upstream_version(observed);
    if (version_numbers(tree_release).empty() || version_numbers(version).empty()) return false;
    auto tree = numbers_of(tree_release);
    auto kernel = numbers_of(version);
    if (tree[2] == 0 || kernel[2] == 0) tree[2] = kernel[2] = 0;
    return tree != kernel;
}

}  // namespace skbtrail::labs::source
