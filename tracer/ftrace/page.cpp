#include "tracer/ftrace/page.h"

#include <cstring>

namespace skbtrail::tracer {

namespace {

// include/linux/ring_buffer.h, kernel/trace/ring_buffer.c
constexpr std::uint32_t type_padding = 29;
constexpr std::uint32_t type_time_extend = 30;
constexpr std::uint32_t type_time_stamp = 31;
constexpr std::size_t header_size = 16;  // time stamp and commit
constexpr std::uint64_t commit_mask = (1U << 20U) - 1;
constexpr std::uint64_t missed_events = 1U << 31U;  // events were lost before this page
constexpr std::uint64_t missed_stored = 1U << 30U;  // and their number lies behind the data
constexpr unsigned delta_bits = 27;
constexpr std::uint64_t top_bits = 0xf8ULL << 56U;  // those that an absolute time leaves out

template <typename Number>
Number load(std::span<const std::byte> bytes, std::size_t offset) {
    Number value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

/// An absolute time stamp has 59 bits; the missing ones come from the time before it.
std::uint64_t with_top_bits(std::uint64_t absolute, std::uint64_t before) {
    if ((before & top_bits) == 0) return absolute;
    absolute |= before & top_bits;
    if (absolute < before) absolute += 1ULL << 59U;
    return absolute;
}

}  // namespace

PageResult read_page(std::span<const std::byte> page,
                     const std::function<void(const PageRecord&)>& sink) {
    PageResult result;
    if (page.size() < header_size) {
        result.damaged = !page.empty();
        return result;
    }
    std::uint64_t time = load<std::uint64_t>(page, 0);
    const auto commit = load<std::uint64_t>(page, 8);
    auto size = static_cast<std::size_t>(commit & commit_mask);
    auto data = page.subspan(header_size);
    if (size > data.size()) {
        result.damaged = true;
        size = data.size();
    }
    if ((commit & missed_events) != 0) {
        result.lost = true;
        if ((commit & missed_stored) != 0 && size + 8 <= data.size()) {
            result.lost_count = load<std::uint64_t>(data, size);
        }
    }
    data = data.first(size);

    std::size_t at = 0;
    while (at + 4 <= data.size()) {
        const auto head = load<std::uint32_t>(data, at);
        const std::uint32_t type = head & 31U;
        const std::uint64_t delta = head >> 5U;
        // Types above 28, and the long form of a data record, have a second word.
        const bool second_word = type == 0 || type >= type_padding;
        if (type == type_padding && delta == 0) break;  // nothing more on this page
        if (second_word && at + 8 > data.size()) {
            result.damaged = true;
            break;
        }
        const auto word = second_word ? load<std::uint32_t>(data, at + 4) : 0;
        if (type == type_time_extend) {
            time += delta + (static_cast<std::uint64_t>(word) << delta_bits);
            at += 8;
            continue;
        }
        if (type == type_time_stamp) {
            time = with_top_bits(delta + (static_cast<std::uint64_t>(word) << delta_bits), time);
            at += 8;
            continue;
        }
        time += delta;
        if (type == type_padding) {  // a discarded record: its length counts from its second word
            at += 4 + static_cast<std::size_t>(word);
            continue;
        }
        // The long form's length includes its own word.
        const std::size_t begin = at + (type == 0 ? 8U : 4U);
        const std::size_t length = type == 0 ? (word < 4 ? 0 : word - 4U) : type * 4U;
        if (length == 0 || begin + length > data.size()) {
            result.damaged = true;
            break;
        }
        ++result.records;
        sink({time, data.subspan(begin, length)});
        // Records are aligned to words.
        at = begin + (length + 3) / 4 * 4;
    }
    return result;
}

}  // namespace skbtrail::tracer
