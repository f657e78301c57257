#include "labs/runner/phases.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::labs {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

PhaseLog::PhaseLog(Clock clock, Sink sink, double deadline_scale)
    : clock_(std::move(clock)),
      sink_(std::move(sink)),
      deadline_scale_(deadline_scale),
      run_began_(clock_()) {}

void PhaseLog::start(const std::string& phase, milliseconds limit) {
    const std::lock_guard lock(mutex_);
    const auto scaled = duration_cast<milliseconds>(limit * deadline_scale_);
    const auto now = clock_();
    running_.push_back({phase, now, scaled});
    tell(PhaseEvent::Kind::started, phase, {}, now);
}

void PhaseLog::note(const std::string& phase, const std::string& text) {
    const std::lock_guard lock(mutex_);
    tell(PhaseEvent::Kind::noted, phase, text, began(phase));
}

void PhaseLog::output(const std::string& phase, const std::string& line) {
    const std::lock_guard lock(mutex_);
    tell(PhaseEvent::Kind::output, phase, line, began(phase));
}

void PhaseLog::finish(const std::string& phase, const std::string& text) {
    end(PhaseEvent::Kind::finished, phase, text);
}

void PhaseLog::fail(const std::string& phase, const std::string& text) {
    end(PhaseEvent::Kind::failed, phase, text);
}

void PhaseLog::mute() {
    const std::lock_guard lock(mutex_);
    muted_ = true;
}

std::optional<TimePoint> PhaseLog::deadline() const {
    const std::lock_guard lock(mutex_);
    std::optional<TimePoint> first;
    for (const auto& phase : running_) {
        const auto until = phase.began + phase.limit;
        first = first ? std::min(*first, until) : until;
    }
    return first;
}

std::optional<PhaseLog::Overdue> PhaseLog::overdue() const {
    const std::lock_guard lock(mutex_);
    const auto now = clock_();
    for (const auto& phase : running_) {
        if (now >= phase.began + phase.limit) {
            return Overdue{phase.phase, phase.limit};
        }
    }
    return std::nullopt;
}

std::string PhaseLog::current() const {
    const std::lock_guard lock(mutex_);
    return running_.empty() ? std::string() : running_.back().phase;
}

std::optional<PhaseLog::Failure> PhaseLog::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

bool PhaseLog::running(std::string_view phase) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(running_.begin(), running_.end(),
                       [&](const auto& candidate) { return candidate.phase == phase; });
}

std::vector<PhaseTiming> PhaseLog::timings() const {
    const std::lock_guard lock(mutex_);
    return timings_;
}

milliseconds PhaseLog::elapsed() const {
    return duration_cast<milliseconds>(clock_() - run_began_);
}

void PhaseLog::tell(PhaseEvent::Kind kind, const std::string& phase, const std::string& text,
                    TimePoint began) const {
    if (sink_ && !muted_) {
        const auto now = clock_();
        sink_({kind, phase, text, duration_cast<milliseconds>(now - began),
               duration_cast<milliseconds>(now - run_began_)});
    }
}

void PhaseLog::end(PhaseEvent::Kind kind, const std::string& phase, const std::string& text) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& other) { return other.phase == phase; });
    if (found == running_.end()) {
        return;  // it has ended before: the first end counts
    }
    const auto began = found->began;
    running_.erase(found);
    timings_.push_back({phase, duration_cast<milliseconds>(began - run_began_),
                        duration_cast<milliseconds>(clock_() - began)});
    if (kind == PhaseEvent::Kind::failed && !failure_) {
        failure_ = Failure{phase, text};
    }
    tell(kind, phase, text, began);
}

TimePoint PhaseLog::began(const std::string& phase) const {
    const auto found = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& other) { return other.phase == phase; });
    return found == running_.end() ? clock_() : found->began;
}

std::string format_seconds(milliseconds duration) {
    const auto ms = duration.count();
    if (ms < 10'000) {
        return fmt::format("{:.2f} s", static_cast<double>(ms) / 1000);
    }
    if (ms < 60'000) {
        return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
    }
    return fmt::format("{} min {:02} s", ms / 60'000, ms / 1000 % 60);
}

}  // namespace skbtrail::labs
