// Warnings that a guest or a front end can cause as often as it likes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace skbtrail::device {

/// Lets the first few warnings of each minute into the log and counts the others; the next one that
/// is let in, or the end, says how many they were. A log on a disk is then no way to fill it, and a
/// busy log no way to keep the NIC from its work.
class LogLimit {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr unsigned most = 10;
    static constexpr std::chrono::seconds window{60};

    /// `source` begins each line: "nat".
    explicit LogLimit(std::string source) : source_(std::move(source)) {}
    /// Says how many more there were.
    ~LogLimit();
    LogLimit(const LogLimit&) = delete;
    LogLimit& operator=(const LogLimit&) = delete;

    /// Logs "source: message", or only counts it.
    void warn(std::string_view message, Clock::time_point now = Clock::now());

  private:
    void say_how_many_more();

    std::string source_;
    Clock::time_point begun_{};
    unsigned said_ = most;  ///< in this window; the first warning begins one
    std::uint64_t more_ = 0;
};

}  // namespace skbtrail::device
