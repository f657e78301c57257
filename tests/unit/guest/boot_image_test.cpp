#include "guest/boot_image.h"

#include <cstdint>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "elf_fixture.h"
#include "guest/decompress.h"
#include "guest/elf_image.h"
#include "guest/error.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string compress(const std::string& filter, const std::string& bytes) {
    std::string result(bytes.size() * 2 + 65536, '\0');
    std::size_t used = 0;
    archive* writer = archive_write_new();
    REQUIRE(archive_write_add_filter_by_name(writer, filter.c_str()) == ARCHIVE_OK);
    REQUIRE(archive_write_set_format_raw(writer) == ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(writer, 1);
    REQUIRE(archive_write_open_memory(writer, result.data(), result.size(), &used) == ARCHIVE_OK);
    archive_entry* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    REQUIRE(archive_write_header(writer, entry) == ARCHIVE_OK);
    REQUIRE(archive_write_data(writer, bytes.data(), bytes.size()) ==
            static_cast<la_ssize_t>(bytes.size()));
    archive_entry_free(entry);
    REQUIRE(archive_write_close(writer) == ARCHIVE_OK);
    archive_write_free(writer);
    result.resize(used);
    return result;
}

std::string little_endian(std::uint64_t value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) {
        bytes += static_cast<char>(value >> (8 * i));
    }
    return bytes;
}

/// The format of lz4 that kernels use: a magic number, then blocks with their sizes; the one block
/// here holds literals alone.
std::string legacy_lz4(const std::string& bytes) {
    std::string block = "\xf0";
    std::size_t more = bytes.size() - 15;
    for (; more >= 255; more -= 255) {
        block += '\xff';
    }
    block += static_cast<char>(more);
    block += bytes;
    return little_endian(0x184c2102, 4) + little_endian(block.size(), 4) + block;
}

/// A bzImage with two setup sectors, as arch/x86/boot/header.S lays it out.
std::string make_bzimage(const std::string& payload, const std::string& release,
                         std::string_view magic = "HdrS") {
    std::string setup(3 * 512, '\0');
    const std::string stub(100, '\x90');  // the decompressor
    const auto put = [&setup](std::size_t at, const std::string& bytes) {
        setup.replace(at, bytes.size(), bytes);
    };
    put(0x1f1, little_endian(2, 1));
    put(0x202, std::string(magic));
    put(0x206, little_endian(0x020f, 2));
    put(0x20e, little_endian(0x300, 2));  // relative to 0x200
    put(0x248, little_endian(stub.size(), 4));
    put(0x24c, little_endian(payload.size(), 4));
    put(0x500, release + " (somebody@somewhere) #1 SMP" + std::string(1, '\0'));
    return setup + stub + payload + std::string(64, '\xcc');
}

/// What a kernel's build puts into a bzImage for `filter`.
std::string payload_of(const std::string& filter, const std::string& vmlinux) {
    const std::string size = little_endian(vmlinux.size(), 4);
    if (filter == "gzip") {
        return compress(filter, vmlinux);  // has the size at its end already
    }
    return (filter == "legacy lz4" ? legacy_lz4(vmlinux) : compress(filter, vmlinux)) + size;
}

}  // namespace

TEST_CASE("the kernel inside a bzImage is found in every compression that kernels use") {
    const auto filter = GENERATE("gzip", "bzip2", "lzma", "xz", "legacy lz4", "zstd");
    CAPTURE(filter);
    const std::string vmlinux = make_vmlinux("6.12.1-test") + std::string(300'000, 'k');
    const BootImage image =
        read_boot_image(make_bzimage(payload_of(filter, vmlinux), "6.12.1-test"), "bzImage");
    CHECK(image.vmlinux == vmlinux);
    CHECK(image.release == "6.12.1-test");
    CHECK(image.build_id == "01ab00ff");
}

TEST_CASE("a vmlinux is taken as it is") {
    const std::string vmlinux = make_vmlinux("7.3.0-rc1+");
    const BootImage image = read_boot_image(vmlinux, "vmlinux");
    CHECK(image.vmlinux == vmlinux);
    CHECK(image.release == "7.3.0-rc1+");
    CHECK(image.build_id == "01ab00ff");
}

TEST_CASE("a kernel that cannot be started is refused with the reason") {
    struct Case {
        std::string file;
        std::string expected;
    };
    const std::string payload = payload_of("gzip", make_vmlinux("6.12.1"));
    std::string old = make_bzimage(payload, "2.6.1");
    old.replace(0x206, 2, little_endian(0x0204, 2));
    std::string damaged = payload;
    damaged[damaged.size() / 2] ^= 0x55;
    std::string wrong_size = payload_of("xz", make_vmlinux("6.12.1"));
    wrong_size.back() = 1;
    std::string beyond = make_bzimage(payload, "6.12.1");
    beyond.replace(0x248, 4, "\xff\xff\xff\xff");
    const std::string whole = make_bzimage(payload, "6.12.1");
    const auto test = GENERATE_COPY(from_range(std::vector<Case>{
        {"", "is not a kernel"},
        {std::string(100'000, 'x'), "is not a kernel"},
        {make_bzimage(payload, "6.12.1", "HdrX"), "is not a kernel"},
        {whole.substr(0, 0x24f), "is not a kernel"},
        {old, "older than 2.08"},
        {whole.substr(0, 3 * 512 + 150), "damaged or incomplete"},
        {beyond, "damaged or incomplete"},
        {make_bzimage("short", "6.12.1"), "damaged or incomplete"},
        {make_bzimage(damaged, "6.12.1"), "FILE"},
        {make_bzimage(wrong_size, "6.12.1"), "is damaged: it announces"},
        {make_bzimage(std::string(100, 'y'), "6.12.1"), "not in gzip"},
        {make_bzimage(payload_of("gzip", "no kernel"), "6.12.1"), "64-bit x86 kernel"},
        {make_vmlinux("6.12.1", /*pvh=*/false), "CONFIG_PVH=y"},
        {make_vmlinux("6.12.1").substr(0, 250), "damaged or incomplete: its segments"},
        {make_vmlinux(""), "which release"},
        {"\177ELF", "64-bit x86 kernel"},
    }));
    CAPTURE(test.expected);
    CHECK_THROWS_AS(read_boot_image(test.file, "FILE"), Error);
    CHECK_THROWS_WITH(read_boot_image(test.file, "FILE"), ContainsSubstring(test.expected));
}

TEST_CASE("a truncated image never does more than throw") {
    const std::string image = make_bzimage(payload_of("zstd", make_vmlinux("6.12.1")), "6.12.1");
    for (std::size_t size = 0; size < image.size() - 64; size += 3) {
        CHECK_THROWS_AS(read_boot_image(image.substr(0, size), "FILE"), Error);
    }
    const std::string vmlinux = make_vmlinux("6.12.1");
    for (std::size_t size = 0; size < vmlinux.size(); ++size) {
        const std::string part = vmlinux.substr(0, size);
        try {
            read_boot_image(part, "FILE");
        } catch (const Error&) {
        }
    }
}

TEST_CASE("notes whose lengths lie are passed over") {
    std::string note = elf_note("GNU", NT_GNU_BUILD_ID, "abcd");
    note.replace(4, 4, little_endian(0xfffffff0, 4));
    const auto notes = read_kernel_notes(make_elf(ET_EXEC, {{PT_NOTE, note}}));
    REQUIRE(notes.has_value());
    CHECK(notes->build_id.empty());
}

TEST_CASE("decompression is bounded") {
    const std::string bomb = compress("xz", std::string(10'000'000, '\0'));
    CHECK_THROWS_WITH(decompress(bomb, "bomb", 1'000'000), ContainsSubstring("grows above"));
    CHECK(decompress(bomb, "bomb").size() == 10'000'000);
}

TEST_CASE("a program that wants a loader is known") {
    CHECK(needs_loader(make_elf(ET_DYN, {{PT_INTERP, "/lib64/ld-linux-x86-64.so.2"}})));
    CHECK_FALSE(needs_loader(make_elf(ET_EXEC, {{PT_LOAD, "code"}})));
    CHECK_FALSE(needs_loader("#!/bin/sh\n"));
}
