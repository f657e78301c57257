#include "guest/kernel_store.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "elf_fixture.h"
#include "temporary.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A cache with kernels as KernelStore leaves them.
struct FakeCache {
    void add(const std::string& release, const std::string& version) const {
        const std::filesystem::path place = directory / ("kernels/" + release);
        std::filesystem::create_directories(place / "modules");
        write_file_atomically(place / "vmlinux", make_vmlinux(release));
        const nlohmann::json record = {{"format", "skbtrail-kernel"},
                                       {"version", 1},
                                       {"release", release},
                                       {"build_id", "01ab00ff"},
                                       {"package", "linux-image-" + release},
                                       {"package_version", version},
                                       {"suite", "trixie"}};
        write_file_atomically(place / "kernel.json", record.dump());
    }

    TemporaryDirectory directory;
    KernelStore store{directory.path()};
};

/// Sends the store to `mirror` for one test.
class Mirror {
  public:
    explicit Mirror(const std::string& mirror) {
        ::setenv("SKBTRAIL_DEBIAN_MIRROR", mirror.c_str(), 1);
    }
    ~Mirror() { ::unsetenv("SKBTRAIL_DEBIAN_MIRROR"); }
    Mirror(const Mirror&) = delete;
    Mirror& operator=(const Mirror&) = delete;
};

}  // namespace

TEST_CASE("the newest in the cache serves, without asking anybody") {
    const Mirror nowhere("http://127.0.0.1:1/");
    FakeCache cache;
    cache.add("6.12.9+deb12-cloud-amd64", "6.12.9-1~bpo12+1");
    cache.add("6.12.95+deb12-cloud-amd64", "6.12.95-1~bpo12+1");
    cache.add("6.1.0-47-cloud-amd64", "6.1.170-3");
    const Kernel kernel = cache.store.resolve("6.12");
    CHECK(kernel.release == "6.12.95+deb12-cloud-amd64");
    CHECK(kernel.vmlinux == cache.directory / "kernels/6.12.95+deb12-cloud-amd64/vmlinux");
    CHECK(kernel.modules == cache.directory / "kernels/6.12.95+deb12-cloud-amd64/modules");
    CHECK(kernel.config.empty());
    CHECK(kernel.build_id == "01ab00ff");
    CHECK(kernel.package_version == "6.12.95-1~bpo12+1");
    CHECK(cache.store.resolve("6.1.170").release == "6.1.0-47-cloud-amd64");
    CHECK(cache.store.resolve("6.12.9+deb12-cloud-amd64").release == "6.12.9+deb12-cloud-amd64");
    CHECK(cache.store.list().size() == 3);
    CHECK(cache.store.list().front().release == "6.1.0-47-cloud-amd64");
    CHECK(cache.store.size("6.1.0-47-cloud-amd64") > 100);
}

TEST_CASE("two builds of the collector, or of a release, keep their lists beside each other") {
    const FakeCache cache;
    Kernel one;
    one.release = "6.12.95";
    one.build_id = "01ab00ff";
    Kernel other = one;
    other.build_id = "02ab00ff";
    const auto path = [&](const Kernel& kernel, std::string_view collector,
                          const std::vector<std::string>& modules = {}) {
        return cache.store.plan_path(kernel, collector, modules);
    };
    CHECK(path(one, "c1").parent_path() == cache.directory / "plans");
    CHECK(path(one, "c1") == path(one, "c1"));
    CHECK(path(one, "c1") != path(other, "c1"));
    CHECK(path(one, "c1") != path(one, "c2"));
    CHECK(path(one, "c1", {"veth"}) != path(one, "c1"));
    CHECK(path(one, "c1", {"veth"}) != path(one, "c1", {"ve", "th"}));
    cache.store.keep_plan(one, "c1", {}, "lists");
    cache.store.keep_plan(one, "c2", {}, "other lists");
    CHECK(read_file(path(one, "c1")) == "lists");
}

TEST_CASE("what is incomplete or of another version does not count") {
    FakeCache cache;
    cache.add("6.12.95+deb12-cloud-amd64", "6.12.95-1");
    const auto place = cache.directory / "kernels/6.12.95+deb12-cloud-amd64";
    SECTION("no image") {
        std::filesystem::remove(place / "vmlinux");
    }
    SECTION("no record") {
        std::filesystem::remove(place / "kernel.json");
    }
    SECTION("a damaged record") {
        write_file_atomically(place / "kernel.json", "{");
    }
    SECTION("an empty record") {
        write_file_atomically(place / "kernel.json", "{}");
    }
    SECTION("a list") {
        write_file_atomically(place / "kernel.json", "[1]");
    }
    SECTION("another release's record") {
        std::filesystem::rename(place, cache.directory / "kernels/6.12.96");
    }
    CHECK(cache.store.list().empty());
}

TEST_CASE("kernels are removed by their release alone") {
    FakeCache cache;
    cache.add("6.12.95+deb12-cloud-amd64", "6.12.95-1");
    CHECK_THROWS_WITH(cache.store.remove("6.12"), ContainsSubstring("There is no kernel 6.12"));
    CHECK_THROWS_AS(cache.store.remove(".."), Error);
    CHECK_THROWS_AS(cache.store.remove(""), Error);
    cache.store.remove("6.12.95+deb12-cloud-amd64");
    CHECK(cache.store.list().empty());
    CHECK_FALSE(std::filesystem::exists(cache.directory / "kernels/6.12.95+deb12-cloud-amd64"));
}

TEST_CASE("an empty cache and a mirror out of reach are a sentence with what to do") {
    const Mirror nowhere("http://127.0.0.1:1/debian");
    FakeCache cache;
    std::vector<std::string> told;
    const auto listen = [&told](std::string_view line) { told.emplace_back(line); };
    CHECK_THROWS_WITH(
        cache.store.resolve("6.12", listen),
        ContainsSubstring("There is no kernel 6.12 in ") && ContainsSubstring("Check the network"));
    CHECK(told.size() > 1);
}

TEST_CASE("fetching is given up when a stop is asked for") {
    const Mirror nowhere("http://127.0.0.1:1/debian");
    FakeCache cache;
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_WITH(cache.store.resolve("6.12", {}, stop.get_token()),
                      ContainsSubstring("was stopped because that was asked for"));
}

TEST_CASE("a mirror that is not signed is not believed") {
    const TemporaryDirectory repository;
    const auto suite = repository / "dists/bookworm";
    std::filesystem::create_directories(suite / "main/binary-amd64");
    write_file_atomically(suite / "main/binary-amd64/Packages",
                          "Package: linux-image-6.12.1-cloud-amd64\nVersion: 6.12.1-1\n"
                          "Architecture: amd64\nFilename: x.deb\nSize: 1\n\n");
    write_file_atomically(suite / "Release", "Suite: bookworm\nCodename: bookworm\n");
    const Mirror unsigned_mirror("file:" + repository.path().string());
    FakeCache cache;
    CHECK_THROWS_WITH(cache.store.resolve("6.12"), ContainsSubstring("There is no kernel 6.12"));
}

TEST_CASE("a kernel of one's own is given by its path") {
    FakeCache cache;
    const auto tree = cache.directory / "linux";
    std::filesystem::create_directories(tree / "drivers/net");
    write_file_atomically(tree / "vmlinux", make_vmlinux("6.99.0-mine"));
    write_file_atomically(tree / "modules.order", "drivers/net/virtio_net.o\n");
    write_file_atomically(tree / ".config", "CONFIG_PVH=y\n");

    Kernel kernel = cache.store.resolve((tree / "vmlinux").string());
    CHECK(kernel.release == "6.99.0-mine");
    CHECK(kernel.vmlinux == tree / "vmlinux");
    CHECK(kernel.modules == tree);
    CHECK(kernel.config == tree / ".config");
    CHECK(kernel.build_id == "01ab00ff");
    CHECK(kernel.package.empty());

    kernel = cache.store.resolve((tree / "vmlinux").string() +
                                 ",modules=" + (tree / "drivers").string());
    CHECK(kernel.modules == tree / "drivers");

    CHECK_THROWS_WITH(cache.store.resolve((tree / "vmlinux").string() + ",modules=/nosuch"),
                      ContainsSubstring("/nosuch"));
    CHECK_THROWS_WITH(cache.store.resolve("/nosuch/bzImage"),
                      ContainsSubstring("There is no kernel image /nosuch/bzImage"));
    CHECK_THROWS_WITH(cache.store.resolve((tree / ".config").string()),
                      ContainsSubstring("is not a kernel that boots here"));
}

TEST_CASE("a kernel of one's own is kept under a name") {
    FakeCache cache;
    const auto tree = cache.directory / "linux";
    std::filesystem::create_directories(tree / "drivers/net");
    write_file_atomically(tree / "vmlinux", make_vmlinux("6.99.0-mine"));
    write_file_atomically(tree / "modules.order", "drivers/net/virtio_net.o\n");
    write_file_atomically(tree / "drivers/net/virtio_net.ko", "a module");
    write_file_atomically(tree / "drivers/net/virtio_net.c", "its source");
    write_file_atomically(tree / ".config", "CONFIG_PVH=y\n");
    const auto spec = (tree / "vmlinux").string();

    cache.store.add_build("patched", spec);
    std::filesystem::remove_all(tree);  // the build goes on elsewhere
    const Kernel kernel = cache.store.resolve("patched");
    CHECK(kernel.release == "6.99.0-mine");
    CHECK(kernel.build_id == "01ab00ff");
    CHECK(read_file(kernel.modules / "drivers/net/virtio_net.ko") == "a module");
    CHECK(!std::filesystem::exists(kernel.modules / "drivers/net/virtio_net.c"));
    CHECK(read_file(kernel.config) == "CONFIG_PVH=y\n");
    REQUIRE(cache.store.builds().size() == 1);
    CHECK(cache.store.builds()[0].name == "patched");
    CHECK(cache.store.builds()[0].size > 0);
    CHECK(cache.store.list().empty());

    for (const auto* name : {"", "6.12", "../etc", "a/b", "a b", "-x"}) {
        CHECK_THROWS_WITH(cache.store.add_build(name, spec), ContainsSubstring("not a name"));
    }
    CHECK_THROWS_WITH(cache.store.add_build("other", spec), ContainsSubstring("no kernel image"));
    cache.store.remove("patched");
    CHECK(cache.store.builds().empty());
}
