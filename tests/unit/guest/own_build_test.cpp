#include "guest/own_build.h"

#include <chrono>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "elf_fixture.h"
#include "guest/cache.h"
#include "guest/elf_image.h"
#include "guest/error.h"
#include "temporary.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

namespace {

namespace fs = std::filesystem;

struct Tree {
    void put(const std::string& name, const std::string& text) const {
        fs::create_directories((directory / name).parent_path());
        write_file_atomically(directory / name, text);
    }
    /// What `make` leaves, as far as it is looked for.
    void build() const {
        put("vmlinux", make_vmlinux("6.99.0-plain"));
        put("arch/x86/boot/bzImage", make_vmlinux("6.99.0-packed"));
        put(".config", "CONFIG_PVH=y\n");
        put("modules.order", "drivers/net/virtio_net.o\n");
        put("drivers/net/virtio_net.ko", "a module");
    }
    OwnBuild find() const { return find_own_build(directory.path().string()); }

    TemporaryDirectory directory;
};

}  // namespace

TEST_CASE("a tree that a kernel was built in is its bzImage, with modules and configuration") {
    const Tree tree;
    tree.build();
    const auto later = fs::last_write_time(tree.directory / "vmlinux") + std::chrono::seconds(1);
    fs::last_write_time(tree.directory / "arch/x86/boot/bzImage", later);
    const OwnBuild build = tree.find();
    CHECK(build.boot.release == "6.99.0-packed");
    CHECK(build.image == tree.directory / "arch/x86/boot/bzImage");
    CHECK(build.modules == fs::canonical(tree.directory.path()));
    CHECK(build.config == fs::canonical(tree.directory / ".config"));
}

TEST_CASE("a vmlinux that was built after the bzImage is the one that is meant") {
    const Tree tree;
    tree.build();
    const auto later =
        fs::last_write_time(tree.directory / "arch/x86/boot/bzImage") + std::chrono::seconds(1);
    fs::last_write_time(tree.directory / "vmlinux", later);
    CHECK(tree.find().boot.release == "6.99.0-plain");
    fs::remove(tree.directory / "arch/x86/boot/bzImage");
    CHECK(tree.find().boot.release == "6.99.0-plain");
    fs::remove(tree.directory / "vmlinux");
    CHECK_THROWS_WITH(
        tree.find(), ContainsSubstring("There is no kernel in " + tree.directory.path().string()) &&
                         ContainsSubstring("arch/x86/boot/bzImage"));
}

TEST_CASE("debug information is what the image was packed from, if that has any") {
    const Tree tree;
    tree.build();
    const auto later = fs::last_write_time(tree.directory / "vmlinux") + std::chrono::hours(1);
    fs::last_write_time(tree.directory / "arch/x86/boot/bzImage", later);
    CHECK(tree.find().debug_info.empty());
    tree.put("vmlinux", make_elf(ET_EXEC, {}, {{".text", "code"}, {".debug_info", "DWARF"}}));
    fs::last_write_time(tree.directory / "arch/x86/boot/bzImage", later);
    const OwnBuild build = tree.find();
    CHECK(build.image == tree.directory / "arch/x86/boot/bzImage");
    CHECK(build.debug_info == fs::canonical(tree.directory / "vmlinux"));
}

TEST_CASE("a tree that one kernel was installed in") {
    const Tree tree;
    tree.put("boot/vmlinuz-6.99.0-mine", make_vmlinux("6.99.0-mine"));
    tree.put("boot/config-6.99.0-mine", "CONFIG_PVH=y\n");
    tree.put("lib/modules/6.99.0-mine/kernel/veth.ko", "a module");
    const OwnBuild build = tree.find();
    CHECK(build.boot.release == "6.99.0-mine");
    CHECK(build.modules == fs::canonical(tree.directory / "lib/modules/6.99.0-mine"));
    CHECK(build.config == fs::canonical(tree.directory / "boot/config-6.99.0-mine"));

    tree.put("boot/vmlinuz-6.99.0-other", make_vmlinux("6.99.0-other"));
    CHECK_THROWS_WITH(tree.find(), ContainsSubstring("several kernels") &&
                                       ContainsSubstring("vmlinuz-6.99.0-mine"));
    CHECK(find_own_build((tree.directory / "boot/vmlinuz-6.99.0-mine").string()).boot.release ==
          "6.99.0-mine");
}

TEST_CASE("modules are copied without what else is in the tree") {
    const Tree tree;
    tree.build();
    tree.put("drivers/net/virtio_net.c", "its source");
    tree.put("drivers/net/.virtio_net.ko.cmd", "how it was built");
    tree.put("drivers/net/compressed.ko.xz", "another");
    tree.put("modules.builtin", "kernel/net/packet.ko\n");
    const TemporaryDirectory place;
    copy_modules(tree.directory.path(), place / "modules");
    // No ELF file: the one that is taken out of it would not have been there either.
    CHECK(read_file(place / "modules/drivers/net/virtio_net.ko") == "a module");
    CHECK(fs::exists(place / "modules/modules.builtin"));
    CHECK(fs::exists(place / "modules/drivers/net/compressed.ko.xz"));
    CHECK_FALSE(fs::exists(place / "modules/drivers/net/virtio_net.c"));
    CHECK_FALSE(fs::exists(place / "modules/drivers/net/.virtio_net.ko.cmd"));
    CHECK_FALSE(fs::exists(place / "modules/vmlinux"));
}

TEST_CASE("a kernel without its sections is all that boots of it") {
    const std::string plain = make_vmlinux("6.99.0-mine");
    const std::string debug = plain + std::string(5000, 'd');
    const std::string loaded = without_sections(debug);
    CHECK(loaded.size() < debug.size());
    const BootImage boot = read_boot_image(loaded, "it");
    CHECK(boot.release == "6.99.0-mine");
    CHECK(boot.build_id == read_boot_image(debug, "it").build_id);
    Elf64_Ehdr header;
    std::memcpy(&header, loaded.data(), sizeof header);
    CHECK(header.e_shoff == 0);
    CHECK(header.e_shnum == 0);
    CHECK(without_sections("no ELF file") == "no ELF file");
}
