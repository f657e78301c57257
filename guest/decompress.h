// Decompression of whole files and of pieces of files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// Decompresses `bytes`, recognising gzip, bzip2, xz, lzma, lz4 (the legacy format too) and zstd by
/// their content. `what` names it in messages. Throws Error when the format is none of these, the
/// data is damaged, or the result would be longer than `limit`.
std::string decompress(std::string_view bytes, const std::string& what,
                       std::size_t limit = std::size_t{1} << 30);

}  // namespace skbtrail::guest
