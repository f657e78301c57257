// A list of few plain values, without allocation for the first of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace skbtrail::device {

/// Holds `Inline` values in place and more on the heap, which it keeps for the next use: a list
/// that is cleared and filled again allocates as often as it has never been so long before.
/// Neither copied nor moved, so a span of its values is good until it is changed.
template <typename T, std::size_t Inline>
class InlineList {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    InlineList() noexcept { data_ = inline_.data(); }
    InlineList(const InlineList&) = delete;
    InlineList& operator=(const InlineList&) = delete;

    std::size_t size() const noexcept { return size_; }
    /// Whether one more fits where the values are.
    bool full() const noexcept { return size_ == capacity_; }
    void clear() noexcept { size_ = 0; }
    /// Only while not full().
    void append(const T& value) noexcept { data_[size_++] = value; }
    void push_back(const T& value) {
        if (full()) {
            grow();
        }
        append(value);
    }
    std::span<const T> values() const noexcept { return {data_, size_}; }

  private:
    void grow() {
        auto larger = std::make_unique<T[]>(2 * capacity_);
        std::copy_n(data_, size_, larger.get());
        heap_ = std::move(larger);
        data_ = heap_.get();
        capacity_ *= 2;
    }

    // What says where the values are lies just before the first of them: one cache line.
    std::unique_ptr<T[]> heap_;
    T* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = Inline;
    std::array<T, Inline> inline_;
};

}  // namespace skbtrail::device
