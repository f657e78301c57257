#include "guest/debian_mirror.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "guest/cache.h"
#include "tests/places.h"

using namespace skbtrail::guest;

namespace {

/// What apt's programs printed on a Debian 12 machine, mirrors renamed.
std::string recorded(const std::string& name) {
    return read_file(skbtrail::tests::in_source("tests/unit/guest/data/" + name));
}

std::string newest(const std::string& spec) {
    const std::vector<AvailableKernel> kernels = parse_madison(recorded("madison.txt"));
    std::string release;
    for (const AvailableKernel& kernel : kernels) {
        if (matches(spec, kernel.release, kernel.package_version)) {
            release = kernel.release;
        }
    }
    return release;
}

}  // namespace

TEST_CASE("the mirror is the machine's, whoever else is among its sources") {
    for (const char* name : {"indextargets-release-info.txt", "indextargets-no-release-info.txt"}) {
        const auto mirror = find_mirror(recorded(name));
        REQUIRE(mirror.has_value());
        CHECK(mirror->archive == "http://mirror.example/debian/");
        CHECK(mirror->security == "http://mirror.example/debian-security/");
    }
}

TEST_CASE("https mirrors and the names of one-line sources do as well") {
    const auto mirror = find_mirror(
        "Component: main\nIdentifier: Packages\nRelease: trixie\nRepo-URI: https://m.example/d/\n"
        "\n\n"
        "Component: main\nIdentifier: Packages\nRelease: trixie-security\n"
        "Repo-URI: https://m.example/s/");
    REQUIRE(mirror.has_value());
    CHECK(mirror->archive == "https://m.example/d/");
    CHECK(mirror->security == "https://m.example/s/");
}

TEST_CASE("a machine without Debian's archive has no mirror") {
    CHECK_FALSE(find_mirror("").has_value());
    CHECK_FALSE(find_mirror("nonsense\n\n: \n").has_value());
    CHECK_FALSE(find_mirror("Component: main\nIdentifier: Packages\nRelease: noble\n"
                            "Origin: Ubuntu\nRepo-URI: http://u.example/\n")
                    .has_value());
    CHECK_FALSE(find_mirror("Component: contrib\nIdentifier: Packages\nRelease: bookworm\n"
                            "Repo-URI: http://m.example/\n")
                    .has_value());
    CHECK_FALSE(find_mirror("Component: main\nIdentifier: Packages\nRelease: stable\n"
                            "Repo-URI: https://vendor.example/\n")
                    .has_value());
}

TEST_CASE("sources name every suite, and security only where the machine has it") {
    const std::string with = sources_list({"http://m.example/debian/", "http://m.example/sec/"},
                                          "/usr/share/keyrings/k.gpg");
    CHECK(std::count(with.begin(), with.end(), '\n') ==
          static_cast<std::ptrdiff_t>(kernel_suites().size()));
    CHECK(with.find("deb [arch=amd64 target=Packages lang=none "
                    "signed-by=/usr/share/keyrings/k.gpg] http://m.example/debian/ "
                    "bookworm-backports main\n") != std::string::npos);
    CHECK(with.find(" http://m.example/sec/ trixie-security main\n") != std::string::npos);
    const std::string without = sources_list({"http://m.example/debian/", ""}, "");
    CHECK(without.find("security") == std::string::npos);
    CHECK(without.find("signed-by") == std::string::npos);
}

TEST_CASE("suites that a mirror does not have are told with apt's reason") {
    const std::string errors =
        "W: Failed to fetch http://127.0.0.1:1/debian/dists/bookworm/InRelease  Could not connect\n"
        "W: Failed to fetch http://127.0.0.1:1/debian/dists/bookworm/main/x  Could not connect\n"
        "E: The repository 'http://m.example/debian forky-x Release' does not have a Release "
        "file.\n"
        "N: See apt-secure(8)\n"
        "W: Some index files failed to download. They have been ignored, or old ones used "
        "instead.\n"
        "E: The repository 'http://m.example/debian sid InRelease' is not signed.\n";
    const std::vector<FailedSuite> failed = failed_suites(errors);
    REQUIRE(failed.size() == 3);
    CHECK(failed[0].suite == "bookworm");
    CHECK(failed[0].reason ==
          "Failed to fetch http://127.0.0.1:1/debian/dists/bookworm/InRelease  Could not connect");
    CHECK(failed[1].suite == "forky-x");
    CHECK(failed[2].suite == "sid");
    CHECK(failed_suites("").empty());
}

TEST_CASE("only signed cloud kernels count") {
    const std::vector<std::string> names = cloud_kernel_packages(recorded("pkgnames.txt"));
    CHECK(!names.empty());
    for (const std::string& name : names) {
        CAPTURE(name);
        CHECK(name.ends_with("-cloud-amd64"));
        CHECK(name.find("unsigned") == std::string::npos);
        CHECK(name.find("-rt-") == std::string::npos);
        CHECK(name != "linux-image-cloud-amd64");
    }
    CHECK(std::count(names.begin(), names.end(), "linux-image-6.12.95+deb12-cloud-amd64") == 1);
}

TEST_CASE("the newest of a version is the highest Debian version, whatever its suite") {
    CHECK(newest("6.12") == "6.12.117+deb13-cloud-amd64");
    CHECK(newest("6.1") == "6.1.0-56-cloud-amd64");
    CHECK(newest("6.1.174") == "6.1.0-49-cloud-amd64");
    CHECK(newest("6.12.90") == "6.12.90+deb13.1-cloud-amd64");
    CHECK(newest("6.12.95") == "6.12.95+deb13-cloud-amd64");
    CHECK(newest("6.12.95+deb12-cloud-amd64") == "6.12.95+deb12-cloud-amd64");
    CHECK(newest("6.12.95-1~bpo12+1") == "6.12.95+deb12-cloud-amd64");
    CHECK(newest("7") == "7.3.4+deb13-cloud-amd64");
    for (const char* none : {"", "5.10", "6.11", "6.12.9", "6.122", ".", "6.12.", "x"}) {
        CAPTURE(none);
        CHECK(newest(none).empty());
    }
}

TEST_CASE("madison's table is read with its suites, each version once") {
    const std::vector<AvailableKernel> kernels = parse_madison(recorded("madison.txt"));
    const auto found =
        std::find_if(kernels.begin(), kernels.end(), [](const AvailableKernel& kernel) {
            return kernel.release == "6.12.95+deb12-cloud-amd64";
        });
    REQUIRE(found != kernels.end());
    CHECK(found->package == "linux-image-6.12.95+deb12-cloud-amd64");
    CHECK(found->package_version == "6.12.95-1~bpo12+1");
    CHECK(found->suite == "bookworm-backports");
    const AvailableKernel last = kernels.back();
    CHECK(last.release == "7.3.4+deb13-cloud-amd64");
    CHECK(parse_madison("").empty());
    CHECK(parse_madison("a | b\n| |\nx | 1 | y z\nN: Unable to locate package x\n").empty());
    const std::string line =
        " linux-image-6.1-cloud-amd64 | 6.1-1 | http://m.example bookworm/main amd64 Packages\n";
    CHECK(parse_madison(line + line).size() == 1);
}

TEST_CASE("a kernel in parts is put together from what its packages depend on") {
    const std::vector<std::string> expected = {
        "linux-base-7.3.4+deb13-cloud-amd64=7.3.4-1~bpo13+1",
        "linux-binary-7.3.4+deb13-cloud-amd64=7.3.4-1~bpo13+1",
        "linux-modules-7.3.4+deb13-cloud-amd64=7.3.4-1~bpo13+1"};
    CHECK(kernel_parts(recorded("show-7.3.txt"), "7.3.4+deb13-cloud-amd64") == expected);
    CHECK(kernel_parts("Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.1) | x\n",
                       "6.12.95+deb12-cloud-amd64")
              .empty());
    CHECK(kernel_parts("Depends: linux-modules-6.1-x, linux-modules-6.2-x\n", "6.1-x") ==
          std::vector<std::string>{"linux-modules-6.1-x"});
}
