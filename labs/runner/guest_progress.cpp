#include "labs/runner/guest_progress.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "labs/runner/failure.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs {
namespace {

using namespace std::chrono_literals;

// Generous for a busy machine under emulation: a deadline is there to end a hang, not to judge.
constexpr auto modules_limit = 30s;
constexpr auto between_steps_limit = 15s;
constexpr auto collector_limit = 60s;
constexpr auto recording_limit = 60s;
constexpr auto power_off_limit = 15s;
/// PID 1 itself ends a step at its deadline and says so; this is how much later it may be.
constexpr auto step_grace = 10s;

/// What the steps write is kept up to here; a step that floods its output is not.
constexpr std::size_t most_output = std::size_t{4} << 20;

std::string member(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) {
        return {};
    }
    return found->is_string() ? found->get<std::string>() : found->dump();
}

/// A line from the guest may hold anything, of any length.
std::string printable(std::string_view line) {
    constexpr std::size_t longest = 400;
    return chain::printable(line.substr(0, longest));
}

/// The last line with anything to see in it; of a very long one, the end.
std::string last_line(std::string_view text) {
    constexpr std::size_t longest = 200;
    constexpr std::string_view blank{" \t\r\n\0", 5};
    const auto last = text.find_last_not_of(blank);
    if (last == std::string_view::npos) {
        return {};
    }
    text = text.substr(0, last + 1);
    const auto before = text.rfind('\n');
    const auto line = before == std::string_view::npos ? text : text.substr(before + 1);
    return line.size() <= longest ? printable(line)
                                  : "…" + printable(line.substr(line.size() - longest));
}

}  // namespace

GuestProgress::GuestProgress(const Lab& lab, PhaseLog& phases) : lab_(lab), phases_(phases) {}

void GuestProgress::started(const std::string& phase) {
    phase_ = phase;
    phases_.start(phase_, boot_limit);
}

void GuestProgress::closed(const std::string& how) {
    if (!failure_.empty()) {
        throw CannotRun(failure_);
    }
    if (!results_.ended) {
        fail(how);
        throw CannotRun(failure_);
    }
}

void GuestProgress::fail(const std::string& why) {
    phases_.fail(phase_, why);
    phase_.clear();
    if (failure_.empty()) {
        failure_ = why;
    }
}

void GuestProgress::take(const guest::Message& message) {
    std::visit([this](const auto& concrete) { on(concrete); }, message);
}

void GuestProgress::next(const std::string& phase, std::chrono::milliseconds limit,
                         const std::string& result) {
    if (!phase_.empty()) {
        phases_.finish(phase_, result);
    }
    phase_ = phase;
    phases_.start(phase_, limit);
}

void GuestProgress::on(const guest::PhaseMessage& message) {
    if (message.name == guest::phase::booted) {
        next("modules", modules_limit,
             fmt::format("{} of guest time",
                         format_seconds(std::chrono::milliseconds(message.uptime_ms))));
    } else if (message.name == guest::phase::step_started) {
        if (const auto* step = find_step(message.step)) {
            step_started(*step);
        }
    } else if (message.name == guest::phase::step_overdue) {
        if (const auto* step = find_step(message.step)) {
            overdue(*step);
            next("stopping", step_grace);
        }
    } else if (message.name == guest::phase::step_ended) {
        if (const auto* step = find_step(message.step)) {
            step_ended(*step, message);
        }
    }
}

void GuestProgress::step_started(const LabStep& step) {
    notices_before_ = results_.notices.size();
    if (step.record) {
        next("collector prepared", collector_limit);
    } else {
        next(step.name, step.deadline + step_grace);
    }
}

void GuestProgress::overdue(const LabStep& step) {
    fail(fmt::format("the step \"{}\" ({}) did not end within its {} s{}", step.name, step.run,
                     step.deadline.count(), last_output()));
}

void GuestProgress::step_ended(const LabStep& step, const guest::PhaseMessage& message) {
    if (message.deadline_passed) {
        overdue(step);
    } else if (message.status.value_or(0) != 0) {
        fail(collector_error_.empty()
                 ? fmt::format("the step \"{}\" ({}) ended with status {}{}", step.name, step.run,
                               *message.status, last_output())
                 : fmt::format("the collector could not record: {}", collector_error_));
    }
    if (step.record && !results_.recording) {
        if (phase_ != "recording received") {
            next("recording received", recording_limit);
        }
    } else if (is_last(step) || !failure_.empty()) {
        next("power-off", power_off_limit);
    } else {
        next("next step", between_steps_limit);
    }
}

void GuestProgress::on(const guest::CollectorMessage& message) {
    const auto event = member(message.status, "event");
    if (event == "prepared") {
        const auto plan = member(message.status, "plan");
        results_.collector = fmt::format("lists {}", plan == "used" ? "from the plan" : "computed");
        next("collector attached", collector_limit, printable(results_.collector));
    } else if (event == "attached") {
        const auto text = printable(fmt::format("{} functions, {} of them with their sk_buffs",
                                                member(message.status, "functions"),
                                                member(message.status, "probed")));
        results_.collector += ", " + text;
        const auto* step = find_step(message.step);
        next(step != nullptr ? step->name : "step",
             (step != nullptr ? step->deadline : 60s) + step_grace, text);
    } else if (event == "command ended") {
        const auto status = member(message.status, "status");
        if (status != "0") {
            fail(printable(fmt::format("the step \"{}\" ended with status {}{}", message.step,
                                       status, last_output())));
        }
        next("recording received", recording_limit);
    } else if (event == "recording written") {
        phases_.note(phase_,
                     printable(fmt::format(
                         "{} chains, {} packets, {} lost events", member(message.status, "chains"),
                         member(message.status, "packets"), member(message.status, "lost"))));
    } else if (event == "error") {
        collector_error_ = printable(member(message.status, "message"));
        phases_.note(phase_, collector_error_);
    }
}

void GuestProgress::on(const guest::OutputMessage& message) {
    if (results_.output.size() < most_output) {
        results_.output += message.bytes;
    }
    output_line_ += message.bytes;
    std::size_t end = 0;
    while ((end = output_line_.find('\n')) != std::string::npos) {
        phases_.output(phase_, printable(std::string_view(output_line_).substr(0, end)));
        output_line_.erase(0, end + 1);
    }
    if (output_line_.size() > 4096) {  // not a line
        output_line_.clear();
    }
}

void GuestProgress::on(const guest::FileMessage& message) {
    if (message.name == new_plan_path) {
        results_.plan = message.bytes;
    } else if (message.name == "recording.json") {
        results_.recording = message.bytes;
        if (phase_ == "recording received") {
            const auto size = fmt::format("{} KiB", (message.bytes.size() + 1023) / 1024);
            const auto* step = find_step(message.step);
            if (step == nullptr || is_last(*step)) {
                next("power-off", power_off_limit, size);
            } else {
                next("next step", between_steps_limit, size);
            }
        }
    }
}

void GuestProgress::on(const guest::NoticeMessage& message) {
    results_.notices.push_back(printable(message.message));
    phases_.note(phase_, results_.notices.back());
}

void GuestProgress::on(const guest::ErrorMessage& message) {
    if (!failure_.empty()) {
        return;  // the same in the guest's words, or what followed from it
    }
    fail(fmt::format("the guest reports: {}{}{}", printable(message.message),
                     collector_error_.empty() ? "" : " The collector: ", collector_error_));
    next("power-off", power_off_limit);
}

void GuestProgress::on(const guest::EndMessage& message) {
    results_.ended = true;
    if (message.status != 0 && failure_.empty()) {
        fail(fmt::format("the guest's job ended with status {}{}", message.status, last_output()));
    }
    if (!phase_.empty()) {
        phases_.finish(phase_);
        phase_.clear();
    }
    if (!failure_.empty()) {
        throw CannotRun(failure_);
    }
}

const LabStep* GuestProgress::find_step(const std::string& name) const {
    const auto found = std::find_if(lab_.steps.begin(), lab_.steps.end(),
                                    [&](const auto& step) { return step.name == name; });
    return found == lab_.steps.end() ? nullptr : &*found;
}

std::string GuestProgress::last_output() const {
    std::string text;
    if (const auto line = last_line(results_.output); !line.empty()) {
        text = ". Its last line: " + line;
    }
    for (std::size_t i = notices_before_; i < results_.notices.size(); ++i) {
        text += (text.empty() ? ". " : " – ") + results_.notices[i];
    }
    return text;
}

}  // namespace skbtrail::labs
