#include "labs/runner/nics.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/runner/failure.h"
#include "labs/runner/lab_image.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto phase = "nic";
constexpr auto limit = 15s;

}  // namespace

Nics::Nics(const Lab& lab, Steering& steering, fs::path directory, bool in_lock_step)
    : lab_(lab),
      steering_(steering),
      directory_(std::move(directory)),
      in_lock_step_(in_lock_step) {}

fs::path Nics::socket(std::size_t nic) const {
    return directory_ / fmt::format("nic-{}.sock", nic);
}

fs::path Nics::control_socket(std::size_t nic) const {
    return directory_ / fmt::format("nic-{}.ctl", nic);
}

std::string Nics::wires() const {
    std::vector<std::string_view> kinds;
    for (const LabNic& card : lab_.nics) kinds.push_back(card.wire.kind);
    return fmt::format("{}{}", fmt::join(kinds, ", "), in_lock_step_ ? ", in lock-step" : "");
}

NicOptions Nics::options_of(std::size_t nic, const ResultDirectory& results) const {
    const LabNic& card = lab_.nics[nic];
    return {.name = lab_.nics.size() == 1 ? "the NIC" : fmt::format("NIC {}", nic),
            .program = require_program("skbtrail-nic"),
            .socket = socket(nic),
            .wire = lab_.wire_argument(card, directory_),
            .features = card.features,
            .queue_pairs = card.queue_pairs,
            .latency_ms = in_lock_step_ ? 0 : card.latency_ms,
            .capture = results.capture(nic),
            .events = results.ring_events(nic),
            .control = in_lock_step_ ? control_socket(nic) : fs::path(),
            .log = results.nic_log(nic)};
}

bool Nics::ready() const {
    return !running_.empty() && std::all_of(running_.begin(), running_.end(),
                                            [](const auto& running) { return running->ready; });
}

void Nics::start(const ResultDirectory& results) {
    steering_.phases().start(phase, limit);
    for (std::size_t i = 0; i < lab_.nics.size(); ++i) {
        running_.push_back(std::make_unique<Running>(options_of(i, results)));
    }
    for (const auto& running : running_) watch_over(*running);
}

void Nics::watch_over(Running& running) {
    auto& watch = steering_.watch();
    watch.add(running.nic.ready_fd(), [this, &running] { hear(running); });
    watch.add(running.nic.process_fd(), [this, &running] {
        if (running.ready) {
            throw CannotRun(fmt::format("{}, skbtrail-nic, has ended ({}){}", running.nic.name(),
                                        running.nic.ending().value_or("no reason known"),
                                        running.nic.last_words()));
        }
        // The pipe tells the same, and more.
        steering_.watch().remove(running.nic.process_fd());
    });
}

void Nics::hear(Running& running) {
    try {
        if (!running.nic.take_ready()) return;
        running.ready = true;
        steering_.watch().remove(running.nic.ready_fd());
        if (ready()) steering_.phases().finish(phase, wires());
    } catch (const CannotRun& error) {
        const auto text = fmt::format("{} (Its wire and features are those of {}.)", error.what(),
                                      (lab_.folder / "lab.json").string());
        steering_.phases().fail(phase, text);
        throw CannotRun(text);
    }
}

std::vector<std::unique_ptr<NicControl>> Nics::controls() const {
    std::vector<std::unique_ptr<NicControl>> all;
    for (std::size_t i = 0; in_lock_step_ && i < running_.size(); ++i) {
        all.push_back(std::make_unique<NicControl>(control_socket(i)));
    }
    return all;
}

void Nics::end() noexcept {
    for (const auto& running : running_) {
        steering_.watch().remove(running->nic.process_fd());
        steering_.watch().remove(running->nic.ready_fd());
        running->nic.end();
    }
    running_.clear();
}

}  // namespace skbtrail::labs
