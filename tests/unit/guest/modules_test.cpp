#include "guest/modules.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "elf_fixture.h"
#include "guest/error.h"
#include "guest/process.h"
#include "temporary.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

namespace {

using Strings = std::vector<std::string>;

/// A directory as /lib/modules/RELEASE is: each module under kernel/, compressed as asked.
class FakeTree {
  public:
    void add(const std::string& name, const std::string& modinfo,
             const std::string& compressor = {}) const {
        const std::filesystem::path file = directory / ("kernel/drivers/" + name + ".ko");
        std::filesystem::create_directories(file.parent_path());
        write_file_atomically(file, make_module(modinfo));
        if (!compressor.empty()) {
            Command command;
            command.arguments = {compressor, "-q", "--rm", file.string()};
            if (compressor == "xz") {
                command.arguments = {"xz", file.string()};
            }
            REQUIRE(run_process(command).succeeded());
        }
    }
    Strings closure(const Strings& wanted) const {
        Strings names;
        for (const Module& module : ModuleTree(directory.path()).closure(wanted)) {
            names.push_back(module.name);
        }
        return names;
    }

    TemporaryDirectory directory;
};

std::string info(const std::string& depends, const std::string& more = {}) {
    return "license=GPL" + std::string(1, '\0') + "depends=" + depends + std::string(1, '\0') +
           more + std::string(1, '\0');
}

}  // namespace

TEST_CASE("what a module needs comes before it, once") {
    const FakeTree tree;
    tree.add("failover", info(""));
    tree.add("net_failover", info("failover"), "xz");
    tree.add("virtio_net", info("net_failover,failover"), "zstd");
    tree.add("unrelated", info(""));
    CHECK(tree.closure({"virtio_net"}) == Strings{"failover", "net_failover", "virtio_net"});
    CHECK(tree.closure({"failover", "virtio-net", "virtio_net"}) ==
          Strings{"failover", "net_failover", "virtio_net"});
    CHECK(tree.closure({}).empty());
    for (const Module& module : ModuleTree(tree.directory.path()).closure({"virtio_net"})) {
        CHECK(module.image.starts_with("\177ELF"));
    }
}

TEST_CASE("dashes and underscores are the same") {
    const FakeTree tree;
    tree.add("virtio-rng", info("rng-core"));
    tree.add("rng_core", info(""));
    CHECK(tree.closure({"virtio_rng"}) == Strings{"rng_core", "virtio_rng"});
}

TEST_CASE("soft dependencies come along where they exist") {
    const FakeTree tree;
    tree.add("crc32c", info(""));
    tree.add("after", info(""));
    tree.add("fs", info("", "softdep=pre: crc32c missing post: after"));
    CHECK(tree.closure({"fs"}) == Strings{"crc32c", "fs"});
}

TEST_CASE("what is built in needs no file") {
    const FakeTree tree;
    tree.add("virtio_net", info("virtio_ring"));
    write_file_atomically(tree.directory / "modules.builtin",
                          "kernel/drivers/virtio/virtio_ring.ko\n");
    CHECK(tree.closure({"virtio_net", "virtio_ring"}) == Strings{"virtio_net"});
    const ModuleTree modules(tree.directory.path());
    CHECK(modules.knows("virtio-ring"));
    CHECK_FALSE(modules.knows("nosuch"));
}

TEST_CASE("a circle of dependencies ends") {
    const FakeTree tree;
    tree.add("a", info("b"));
    tree.add("b", info("a"));
    CHECK(tree.closure({"a"}) == Strings{"b", "a"});
}

TEST_CASE("a module that is not there is named with who wanted it") {
    const FakeTree tree;
    tree.add("virtio_net", info("failover"));
    CHECK_THROWS_WITH(tree.closure({"virtio_net"}),
                      ContainsSubstring("no module failover (needed by virtio_net)"));
    CHECK_THROWS_WITH(tree.closure({"nosuch"}), ContainsSubstring("no module nosuch: it is "));
    CHECK_THROWS_WITH(ModuleTree({}).closure({"virtio_net"}),
                      ContainsSubstring("PATH,modules=DIR"));
    CHECK_THROWS_AS(ModuleTree("/nosuch/directory"), Error);
}

TEST_CASE("a damaged module is refused") {
    const FakeTree tree;
    tree.add("good", info(""));
    write_file_atomically(tree.directory / "kernel/drivers/bad.ko", "no ELF");
    write_file_atomically(tree.directory / "kernel/drivers/worse.ko.xz", "no xz");
    CHECK_THROWS_WITH(tree.closure({"bad"}), ContainsSubstring("is damaged"));
    CHECK_THROWS_WITH(tree.closure({"worse"}), ContainsSubstring("Could not decompress"));
}
