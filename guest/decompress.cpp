#include "guest/decompress.h"

#include <array>
#include <memory>

#include <archive.h>
#include <fmt/format.h>

#include "guest/error.h"

namespace skbtrail::guest {
namespace {

struct FreeReader {
    void operator()(archive* reader) const { archive_read_free(reader); }
};

}  // namespace

std::string decompress(std::string_view bytes, const std::string& what, std::size_t limit) {
    const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
    const auto refuse = [&] {
        const char* reason = archive_error_string(reader.get());
        throw Error(fmt::format("Could not decompress {}: {}.", what,
                                reason != nullptr ? reason : "unknown format"));
    };
    // Filters one by one: "all" would also run external programs for exotic formats.
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_filter_bzip2(reader.get());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_lzma(reader.get());
    archive_read_support_filter_lz4(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_entry* entry = nullptr;
    if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
        refuse();
    }
    if (archive_filter_count(reader.get()) < 2) {  // the last is "none", always there
        throw Error(fmt::format(
            "Could not decompress {}: it is not in gzip, bzip2, xz, lzma, lz4 or zstd format.",
            what));
    }
    std::string result;
    std::array<char, 65536> chunk;
    while (true) {
        const la_ssize_t count = archive_read_data(reader.get(), chunk.data(), chunk.size());
        if (count == 0) {
            return result;
        }
        if (count < 0) {
            refuse();
        }
        result.append(chunk.data(), static_cast<std::size_t>(count));
        if (result.size() > limit) {
            throw Error(
                fmt::format("Could not decompress {}: it grows above {} bytes.", what, limit));
        }
    }
}

}  // namespace skbtrail::guest
