#include "labs/runner/progress_view.h"

#include <algorithm>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

constexpr int name_width = 20;

std::string cut(const std::string& text, std::size_t columns) {
    return text.size() <= columns ? text : text.substr(0, columns);
}

}  // namespace

void ProgressView::line(const std::string& text) {
    erase();
    fmt::print(file_, "{}\n", std::string_view(text).substr(0, text.find_last_not_of(' ') + 1));
    std::fflush(file_);
}

void ProgressView::erase() {
    if (drawn_) {
        std::fputs("\r\x1b[K", file_);
        drawn_ = false;
    }
}

void ProgressView::clear() {
    const std::lock_guard lock(mutex_);
    erase();
    std::fflush(file_);
}

void ProgressView::show(const PhaseEvent& event) {
    const std::lock_guard lock(mutex_);
    using Kind = PhaseEvent::Kind;
    const auto running = std::find_if(running_.begin(), running_.end(), [&](const auto& other) {
        return other.phase == event.phase;
    });
    switch (event.kind) {
        case Kind::started:
            running_.push_back({event.phase, {}, std::chrono::steady_clock::now()});
            break;
        case Kind::noted:
            if (running != running_.end()) {
                running->note = event.text;
            }
            if (style_.verbose || (!style_.live && !style_.quiet)) {
                line(fmt::format("{:>12}  {:<{}}  {}", "", event.phase, name_width, event.text));
            }
            break;
        case Kind::output:
            if (style_.verbose) {
                line(fmt::format("{:>12}  {:<{}}  | {}", "", event.phase, name_width, event.text));
            } else if (running != running_.end()) {
                running->note = event.text;
            }
            break;
        case Kind::finished:
        case Kind::failed:
            if (running != running_.end()) {
                running_.erase(running);
            }
            if (!style_.quiet || event.kind == Kind::failed) {
                // Why it failed is told at the end, with the logs.
                line(fmt::format("{:>12}  {:<{}}  {}", format_seconds(event.phase_elapsed),
                                 event.phase, name_width,
                                 event.kind == Kind::failed ? "FAILED" : event.text));
            }
            break;
    }
}

void ProgressView::tick() {
    const std::lock_guard lock(mutex_);
    if (!style_.live || style_.quiet || running_.empty()) {
        return;
    }
    const auto& newest = running_.back();
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - newest.began);
    const auto text =
        fmt::format("{:>10.1f} s  {:<{}}  {}", static_cast<double>(elapsed.count()) / 1000,
                    newest.phase, name_width, newest.note);
    fmt::print(file_, "\r{}\x1b[K", cut(text, style_.columns > 1 ? style_.columns - 1 : 1));
    std::fflush(file_);
    drawn_ = true;
}

std::string timings_table(const std::vector<PhaseTiming>& timings,
                          std::chrono::milliseconds total) {
    auto ordered = timings;
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const auto& left, const auto& right) { return left.began < right.began; });
    std::string text =
        fmt::format("seconds per phase ({} in all; some phases overlap):\n", format_seconds(total));
    for (const auto& timing : ordered) {
        text += fmt::format("{:>8.2f} at {:>6.2f}  {}\n",
                            static_cast<double>(timing.took.count()) / 1000,
                            static_cast<double>(timing.began.count()) / 1000, timing.phase);
    }
    return text;
}

}  // namespace skbtrail::labs
