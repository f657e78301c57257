// The bytes of a fuzzer as a sequence of choices, and the same sequence written down as a seed.
//
// Both ends are here so that they cannot disagree: what InputWriter puts, FuzzInput takes. Numbers
// are in the machine's byte order. After the last byte everything is 0, so that an input which was
// cut anywhere is still one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace skbtrail::hostile {

class FuzzInput {
  public:
    FuzzInput(const std::uint8_t* data, std::size_t size)
        : rest_(std::as_bytes(std::span(data, size))) {}

    bool empty() const { return rest_.empty(); }
    std::size_t size() const { return rest_.size(); }

    template <typename T>
    T take() {
        static_assert(std::is_trivially_copyable_v<T>);
        T value{};
        const auto bytes = take_bytes(sizeof value);
        std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }
    /// So many bytes, or what is left.
    std::span<const std::byte> take_bytes(std::size_t count) {
        const auto taken = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    std::span<const std::byte> take_rest() { return take_bytes(rest_.size()); }

  private:
    std::span<const std::byte> rest_;
};

class InputWriter {
  public:
    template <typename T>
    InputWriter& put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        return put_bytes(std::as_bytes(std::span(&value, 1)));
    }
    InputWriter& put_bytes(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

}  // namespace skbtrail::hostile
