#include "guest/boot_image.h"

#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "guest/decompress.h"
#include "guest/elf_image.h"
#include "guest/error.h"

namespace skbtrail::guest {
namespace {

// Offsets from Documentation/arch/x86/boot.rst, "The real-mode kernel header".
constexpr std::size_t setup_sects_at = 0x1f1;
constexpr std::size_t magic_at = 0x202;
constexpr std::size_t protocol_at = 0x206;
constexpr std::size_t kernel_version_at = 0x20e;
constexpr std::size_t payload_offset_at = 0x248;
constexpr std::size_t payload_length_at = 0x24c;
constexpr std::size_t header_end = 0x250;
constexpr std::size_t sector = 512;
/// The first protocol that says where the payload stands.
constexpr unsigned payload_protocol = 0x0208;

std::uint32_t little_endian(std::string_view bytes, std::size_t offset, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[offset + i])} << (8 * i);
    }
    return value;
}

bool looks_like_bzimage(std::string_view file) {
    return file.size() >= header_end && file.substr(magic_at, 4) == "HdrS";
}

/// The word at the start of "6.12.95+deb12-cloud-amd64 (debian-kernel@…) #1 SMP …".
std::string first_word(std::string_view text) {
    return std::string(text.substr(0, text.find_first_of(std::string_view(" \n\0", 3))));
}

std::string bzimage_release(std::string_view file) {
    const std::uint32_t offset = little_endian(file, kernel_version_at, 2);
    if (offset == 0 || offset + sector >= file.size()) {
        return {};
    }
    return first_word(file.substr(offset + sector, 128));
}

/// Every vmlinux holds linux_banner, "Linux version RELEASE (builder) …". A format string of the
/// same beginning ("Linux version %s") may stand before it.
std::string vmlinux_release(std::string_view image) {
    constexpr std::string_view banner = "Linux version ";
    for (std::size_t at = image.find(banner); at != std::string_view::npos;
         at = image.find(banner, at + 1)) {
        const std::string release = first_word(image.substr(at + banner.size(), 128));
        if (!release.empty() && release.front() >= '0' && release.front() <= '9') {
            return release;
        }
    }
    return {};
}

std::string unpack_payload(std::string_view file, const std::string& what) {
    if (little_endian(file, protocol_at, 2) < payload_protocol) {
        throw Error(fmt::format(
            "{} is a kernel of a boot protocol older than 2.08, which skbtrail cannot unpack.",
            what));
    }
    std::size_t setup_sectors = little_endian(file, setup_sects_at, 1);
    setup_sectors = setup_sectors == 0 ? 4 : setup_sectors;  // boot.rst: 0 means 4
    const std::size_t start =
        (setup_sectors + 1) * sector + little_endian(file, payload_offset_at, 4);
    const std::size_t length = little_endian(file, payload_length_at, 4);
    if (length < 8 || start > file.size() || length > file.size() - start) {
        throw Error(fmt::format(
            "{} is damaged or incomplete: its header puts the kernel at bytes {} to {}, and the "
            "file has {}.",
            what, start, start + length, file.size()));
    }
    std::string_view payload = file.substr(start, length);
    // gzip ends with the length of what it holds; for the others the build appends one
    // (scripts/Makefile.lib, size_append), which no decompressor expects.
    const std::size_t announced = little_endian(payload, payload.size() - 4, 4);
    if (!payload.starts_with("\x1f\x8b")) {
        payload.remove_suffix(4);
    }
    std::string image = decompress(payload, "the kernel inside " + what);
    if (image.size() != announced) {
        throw Error(fmt::format("{} is damaged: it announces a kernel of {} bytes and holds {}.",
                                what, announced, image.size()));
    }
    return image;
}

}  // namespace

BootImage read_boot_image(std::string_view file, const std::string& what) {
    BootImage image;
    if (looks_like_elf(file)) {
        image.vmlinux = file;
        image.release = vmlinux_release(file);
    } else if (looks_like_bzimage(file)) {
        image.vmlinux = unpack_payload(file, what);
        image.release = bzimage_release(file);
    } else {
        throw Error(fmt::format(
            "{} is not a kernel that boots here: neither an x86-64 bzImage (arch/x86/boot/bzImage "
            "of a build) nor an uncompressed vmlinux.",
            what));
    }
    const std::optional<KernelNotes> notes = read_kernel_notes(image.vmlinux);
    if (!notes) {
        throw Error(fmt::format("{} does not hold a 64-bit x86 kernel.", what));
    }
    if (notes->end > image.vmlinux.size()) {
        throw Error(fmt::format(
            "{} is damaged or incomplete: its segments reach to byte {}, and it has {}.", what,
            notes->end, image.vmlinux.size()));
    }
    if (!notes->pvh_entry) {
        throw Error(fmt::format(
            "{} has no PVH entry point, so QEMU cannot start it directly: build it with "
            "CONFIG_PVH=y.",
            what));
    }
    if (image.release.empty()) {
        throw Error(fmt::format("{} does not say which release of Linux it is.", what));
    }
    image.build_id = notes->build_id;
    return image;
}

}  // namespace skbtrail::guest
