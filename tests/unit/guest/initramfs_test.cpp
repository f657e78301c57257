#include "guest/initramfs.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "elf_fixture.h"
#include "guest/cpio.h"
#include "temporary.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Unpacked {
    std::string content;  ///< or a link's target
    unsigned type = 0;
    unsigned mode = 0;
    std::int64_t time = 0;
};

/// Adds what one archive holds.
void unpack_one(std::string_view bytes, std::map<std::string, Unpacked>& files) {
    archive* reader = archive_read_new();
    archive_read_support_format_cpio(reader);
    REQUIRE(archive_read_open_memory(reader, bytes.data(), bytes.size()) == ARCHIVE_OK);
    archive_entry* entry = nullptr;
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        Unpacked file;
        file.type = archive_entry_filetype(entry);
        file.mode = archive_entry_perm(entry);
        file.time = archive_entry_mtime(entry);
        if (const char* target = archive_entry_symlink(entry); target != nullptr) {
            file.content = target;
        } else {
            file.content.resize(static_cast<std::size_t>(archive_entry_size(entry)));
            archive_read_data(reader, file.content.data(), file.content.size());
        }
        files.insert_or_assign(archive_entry_pathname(entry), file);
    }
    archive_read_free(reader);
}

/// Where the archive that starts at `start` ends: behind its last entry (a busybox has the entry's
/// name in it, but no header before).
std::size_t end_of_archive(const std::string& all, std::size_t start) {
    constexpr std::string_view name = "TRAILER!!!";
    constexpr std::size_t header = 110;
    std::size_t at = all.find(name, start);
    while (at != std::string::npos && all.compare(at - header, 6, "070701") != 0) {
        at = all.find(name, at + 1);
    }
    REQUIRE(at != std::string::npos);
    return at + name.size();
}

/// Reads concatenated archives as the kernel does: zeros after the last entry, then the next
/// archive at a multiple of four bytes.
std::map<std::string, Unpacked> unpack(const std::string& all) {
    std::map<std::string, Unpacked> files;
    for (std::size_t start = 0; start < all.size();) {
        REQUIRE(start % 4 == 0);
        unpack_one(std::string_view(all).substr(start), files);
        start = all.find_first_not_of('\0', end_of_archive(all, start));
    }
    return files;
}

/// A kernel, programs and a lab's files, all made up but busybox.
struct FakeHouse {
    FakeHouse() {
        const std::string none = std::string("depends=") + '\0';
        write_file_atomically(root / "init", make_elf(ET_EXEC, {{PT_LOAD, "init"}}));
        write_file_atomically(root / "collect", make_elf(ET_EXEC, {{PT_LOAD, "collect"}}));
        write_file_atomically(root / "run.sh", "#!/bin/sh\necho hello\n");
        std::filesystem::create_directories(root / "modules/kernel");
        write_file_atomically(root / "modules/kernel/failover.ko", make_module(none));
        write_file_atomically(root / "modules/kernel/virtio_console.ko", make_module(none));
        write_file_atomically(root / "modules/kernel/virtio_net.ko",
                              make_module(std::string("depends=failover") + '\0'));
        request.kernel.release = "6.12.1-test";
        request.kernel.modules = root / "modules";
        request.modules = {"virtio_net", "virtio_console"};
        request.init = root / "init";
        request.collector = root / "collect";
        request.files = {{root / "run.sh", "/lab/run.sh", 0755}};
        request.job.steps = {{.name = "exercise", .command = {"/lab/run.sh"}, .record = true}};
    }

    std::string build() const { return read_file(build_initramfs(request, root / "cache")); }

    TemporaryDirectory root;
    InitramfsRequest request;
};

}  // namespace

TEST_CASE("an archive's bytes depend on its entries alone") {
    CpioArchive one;
    one.add_file("/b/file", "content", 0644);
    one.add_link("/a", "b");
    CpioArchive other;
    other.add_link("/a", "b");
    other.add_file("/b/file", "earlier", 0600);
    other.add_file("/b/file", "content", 0644);
    CHECK(one.bytes() == other.bytes());
    CHECK(one.bytes().starts_with("070701"));
    CHECK(one.bytes().size() % 4 == 0);

    const auto files = unpack(one.bytes());
    REQUIRE(files.size() == 3);
    CHECK(files.at("b").type == AE_IFDIR);
    CHECK(files.at("b/file").content == "content");
    CHECK(files.at("b/file").mode == 0644);
    CHECK(files.at("b/file").time == 0);
    CHECK(files.at("a").content == "b");
}

TEST_CASE("a path that is none is refused") {
    CpioArchive archive;
    for (const char* path : {"", "relative", "/", "/a/../b", "/a/./b", "/a/"}) {
        CAPTURE(path);
        CHECK_THROWS_AS(archive.add_file(path, "x", 0644), Error);
    }
}

TEST_CASE("an initramfs has what a guest needs") {
    const FakeHouse house;
    const auto files = unpack(house.build());
    CHECK(files.at("init").mode == 0755);
    CHECK(files.at("bin/skbtrail-collect").mode == 0755);
    CHECK(files.at("bin/sh").content == "busybox");
    CHECK(files.at("bin/ping").content == "busybox");
    CHECK(files.at("lab/run.sh").mode == 0755);
    CHECK(files.at("lab/run.sh").content == "#!/bin/sh\necho hello\n");
    CHECK(files.at("dev/console").type == AE_IFCHR);
    CHECK(files.contains("modules/virtio_net.ko"));
    CHECK(files.at("tmp").mode == 01777);
    const JobSpec job = parse_job(files.at("job.json").content);
    CHECK(job.early_modules == std::vector<std::string>{"/modules/virtio_console.ko"});
    CHECK(job.modules ==
          std::vector<std::string>{"/modules/failover.ko", "/modules/virtio_net.ko"});
    CHECK(job.steps == house.request.job.steps);
}

TEST_CASE("a guest that waits has nothing of a lab, and is sent all of it") {
    FakeHouse house;
    const auto sent = unpack(build_job_archive(house.request));
    CHECK(sent.at("lab/run.sh").mode == 0755);
    CHECK(sent.contains("modules/failover.ko"));
    CHECK(sent.contains("modules/virtio_net.ko"));
    CHECK_FALSE(sent.contains("modules/virtio_console.ko"));  // it speaks through it
    CHECK_FALSE(sent.contains("init"));
    // It does what it would have done at once.
    CHECK(sent.at("job.json").content == unpack(house.build()).at("job.json").content);

    house.request.modules = {};
    house.request.files = {};
    house.request.job = JobSpec();
    house.request.job.deferred = true;
    const auto waiting = unpack(house.build());
    CHECK(waiting.contains("modules/virtio_console.ko"));
    CHECK_FALSE(waiting.contains("modules/virtio_net.ko"));
    CHECK_FALSE(waiting.contains("lab/run.sh"));
    CHECK(parse_job(waiting.at("job.json").content).deferred);
}

TEST_CASE("the same input is the same file, a changed one another") {
    FakeHouse house;
    const auto build = [&house] { return build_initramfs(house.request, house.root / "cache"); };
    const auto first = build();
    const auto written = std::filesystem::last_write_time(first);
    const std::string bytes = read_file(first);
    CHECK(build() == first);
    CHECK(std::filesystem::last_write_time(first) >= written);

    write_file_atomically(house.root / "run.sh", "#!/bin/sh\necho changed\n");
    const auto second = build();
    CHECK(second != first);
    CHECK(unpack(read_file(second)).at("lab/run.sh").content == "#!/bin/sh\necho changed\n");

    house.request.job.steps[0].deadline = std::chrono::seconds(7);
    const auto third = build();
    CHECK(third != second);

    write_file_atomically(house.root / "collect", make_elf(ET_EXEC, {{PT_LOAD, "newer"}}));
    const auto fourth = build();
    CHECK(fourth != third);
    CHECK(unpack(read_file(fourth)).at("bin/skbtrail-collect").content ==
          read_file(house.root / "collect"));

    // The bytes are the same in another cache, too.
    const FakeHouse elsewhere;
    CHECK(elsewhere.build() == bytes);
}

TEST_CASE("two at once get the same whole file") {
    const FakeHouse house;
    std::vector<std::string> results(4);
    std::vector<std::jthread> builders;
    for (std::string& result : results) {
        builders.emplace_back([&house, &result] { result = house.build(); });
    }
    builders.clear();
    for (const std::string& result : results) {
        CHECK(result == results.front());
        CHECK(unpack(result).contains("job.json"));
    }
    for (const auto& entry : std::filesystem::directory_iterator(house.root / "cache/initramfs")) {
        CHECK(entry.path().extension() == ".cpio");
    }
}

TEST_CASE("what nobody used for a week is removed when something new is built") {
    FakeHouse house;
    const auto old = build_initramfs(house.request, house.root / "cache");
    std::filesystem::last_write_time(
        old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * 8));
    house.request.job.environment["NEW"] = "1";
    house.build();
    CHECK_FALSE(std::filesystem::exists(old));
}

TEST_CASE("programs that would not run in the guest are refused") {
    FakeHouse house;
    house.request.init = house.root / "nosuch";
    CHECK_THROWS_WITH(house.build(), ContainsSubstring("build skbtrail-init"));
    house.request.init = house.root / "init";
    write_file_atomically(house.root / "collect",
                          make_elf(ET_DYN, {{PT_INTERP, "/lib64/ld-linux-x86-64.so.2"}}));
    CHECK_THROWS_WITH(house.build(), ContainsSubstring("needs shared libraries"));
    house.request.collector = house.root / "init";
    house.request.busybox = "/bin/ls";
    CHECK_THROWS_WITH(house.build(), ContainsSubstring("busybox-static"));
}

TEST_CASE("a missing lab file or module is named") {
    FakeHouse house;
    house.request.files.push_back({house.root / "nosuch.sh", "/lab/nosuch.sh"});
    CHECK_THROWS_WITH(house.build(), ContainsSubstring("nosuch.sh"));
    house.request.files.clear();
    house.request.modules = {"no_such_module"};
    CHECK_THROWS_WITH(house.build(), ContainsSubstring("no module no_such_module"));
}
