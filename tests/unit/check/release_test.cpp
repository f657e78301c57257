// Whether a source tree is of the kernel that was recorded.
#include "labs/check/source/release.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail;
using labs::source::is_other_version;
using labs::source::upstream_version;

namespace {

chain::Observed observed(const std::string& release, const std::string& package = "") {
    chain::Observed result;
    result.kernel_release = release;
    if (!package.empty()) result.host["kernel_package"] = package;
    return result;
}

}  // namespace

TEST_CASE("the upstream version is that of Debian's package, else as the release begins") {
    CHECK(upstream_version(observed("6.12.117+deb13-cloud-amd64")) == "6.12.117");
    CHECK(upstream_version(observed("6.1.0-56-cloud-amd64",
                                    "linux-image-6.1.0-56-cloud-amd64 6.1.192-2 (bookworm)")) ==
          "6.1.192");
    CHECK(upstream_version(observed("6.16.3-mine", "mine")) == "6.16.3");
    CHECK(upstream_version(observed("")).empty());
}

TEST_CASE("a tree of another stable release is another version, where both are known") {
    const auto deb13 = observed("6.12.117+deb13-cloud-amd64");
    CHECK(is_other_version("6.12.95", deb13));
    CHECK(is_other_version("6.1.0", deb13));
    CHECK_FALSE(is_other_version("6.12.117", deb13));
    CHECK_FALSE(is_other_version("6.12.0", deb13));
    CHECK_FALSE(is_other_version("", deb13));
    CHECK_FALSE(is_other_version("6.12.95", observed("")));

    const auto abi = observed("6.1.0-56-cloud-amd64");
    CHECK_FALSE(is_other_version("6.1.192", abi));
    CHECK(is_other_version("6.12.95", abi));
    CHECK(is_other_version("6.1.170", observed("6.1.0-56-cloud-amd64", "linux-image 6.1.192-2")));
}
