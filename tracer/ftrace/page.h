// Pages of ftrace's ring buffer, as trace_pipe_raw gives them
// (Documentation/trace/ring-buffer-design in the kernel; the layout is in events/header_page and
// events/header_event).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace skbtrail::tracer {

/// One record of a page.
struct PageRecord {
    std::uint64_t time = 0;           ///< on the buffer's clock
    std::span<const std::byte> data;  ///< the event: its type's id comes first
};

/// What reading one page gave, besides its records.
struct PageResult {
    std::size_t records = 0;
    bool lost = false;                        ///< the kernel overwrote events before this page
    std::optional<std::uint64_t> lost_count;  ///< how many, where the page has room to say so
    bool damaged = false;  ///< a record reached beyond the page's end: the rest was left out
};

/// Calls `sink` for each record of `page`, in order. Padding and time records are followed, not
/// passed on. The bytes are not trusted: what does not fit ends the page and is reported.
PageResult read_page(std::span<const std::byte> page,
                     const std::function<void(const PageRecord&)>& sink);

}  // namespace skbtrail::tracer
