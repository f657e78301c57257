// What the code under test logs.
#pragma once

#include <cstddef>
#include <memory>
#include <sstream>
#include <string>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device::test {

/// What is logged while it lives.
class LogCatcher {
  public:
    LogCatcher() : before_(spdlog::default_logger()) {
        auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_);
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("caught", sink));
    }
    ~LogCatcher() { spdlog::set_default_logger(before_); }
    LogCatcher(const LogCatcher&) = delete;
    LogCatcher& operator=(const LogCatcher&) = delete;
    std::string text() const { return stream_.str(); }
    /// How often `part` was logged.
    std::size_t count(const std::string& part) const {
        const std::string all = text();
        std::size_t found = 0;
        for (auto at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) {
            ++found;
        }
        return found;
    }

  private:
    std::ostringstream stream_;
    std::shared_ptr<spdlog::logger> before_;
};

}  // namespace skbtrail::device::test
