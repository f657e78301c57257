// Builds pages of ftrace's ring buffer, record by record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace skbtrail::tracer::test {

class PageBuilder {
  public:
    explicit PageBuilder(std::uint64_t time, std::size_t size = 4096) : page_(size) {
        put(0, time);
    }

    /// A record in the short form; `data` is padded to words.
    PageBuilder& record(std::uint32_t delta, std::vector<std::uint8_t> data) {
        data.resize((data.size() + 3) / 4 * 4);
        word(delta << 5U | static_cast<std::uint32_t>(data.size() / 4));
        return bytes(data);
    }

    /// A record in the long form, for more than 112 bytes.
    PageBuilder& long_record(std::uint32_t delta, const std::vector<std::uint8_t>& data) {
        word(delta << 5U);
        word(static_cast<std::uint32_t>(data.size() + 4));
        return bytes(data);
    }

    /// Any head and second word.
    PageBuilder& raw(std::uint32_t type, std::uint32_t delta, std::optional<std::uint32_t> second) {
        word(delta << 5U | type);
        if (second) word(*second);
        return *this;
    }

    PageBuilder& bytes(const std::vector<std::uint8_t>& data) {
        if (!data.empty()) std::memcpy(page_.data() + 16 + used_, data.data(), data.size());
        used_ += data.size();
        return *this;
    }

    PageBuilder& word(std::uint32_t value) {
        put(16 + used_, value);
        used_ += 4;
        return *this;
    }

    /// The page, with the lost bit and the number of lost events behind the data if asked for.
    std::vector<std::byte> finish(bool lost = false,
                                  std::optional<std::uint64_t> count = std::nullopt) {
        std::uint64_t commit = used_;
        if (lost) commit |= 1U << 31U;
        if (count) {
            commit |= 1U << 30U;
            put(16 + used_, *count);
        }
        put(8, commit);
        return page_;
    }

    [[nodiscard]] std::size_t used() const { return used_; }

    template <typename Number>
    void put(std::size_t offset, Number value) {
        std::memcpy(page_.data() + offset, &value, sizeof value);
    }

  private:
    std::vector<std::byte> page_;
    std::size_t used_ = 0;
};

}  // namespace skbtrail::tracer::test
