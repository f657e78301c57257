#include "device/log_limit.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace skbtrail::device {

LogLimit::~LogLimit() {
    say_how_many_more();
}

void LogLimit::warn(std::string_view message, Clock::time_point now) {
    if (said_ == most && (begun_ == Clock::time_point{} || now - begun_ >= window)) {
        say_how_many_more();
        begun_ = now;
        said_ = 0;
    }
    if (said_ == most) {
        ++more_;
        return;
    }
    ++said_;
    spdlog::warn("{}: {}{}", source_, message,
                 said_ == most ? " (others like it are counted, and told once a minute)" : "");
}

void LogLimit::say_how_many_more() {
    if (const std::uint64_t more = std::exchange(more_, 0); more > 0) {
        spdlog::warn("{}: and {} more", source_, more);
    }
}

}  // namespace skbtrail::device
