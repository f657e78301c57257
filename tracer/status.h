// One JSON line per event, for a program that started the collector and waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace skbtrail::tracer {

class StatusWriter {
  public:
    /// Writes to the open descriptor `fd`; -1: nowhere.
    explicit StatusWriter(int fd) : fd_(fd) {}

    /// The plan is there: `computed` tells whether it had to be worked out.
    void prepared(double seconds, bool computed);
    void attached(std::size_t functions, std::size_t probed, double seconds);
    void command_started();
    void command_ended(int status);
    void recording_written(std::uint64_t bytes, std::size_t chains, std::size_t packets,
                           std::uint64_t lost);
    void error(const std::string& message);

  private:
    void line(const std::string& json);

    int fd_;
};

}  // namespace skbtrail::tracer
