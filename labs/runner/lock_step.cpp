#include "labs/runner/lock_step.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

using namespace std::chrono_literals;

/// Between two looks. The guest's processors also sleep when they wait for QEMU's big lock, for
/// microseconds; sleeping at both ends of this without having been awake, they are idle.
/// A guest that has only just gone to sleep may have sent something, and its next timer may be
/// near: what waits is to be served before that. One that sleeps on has nothing to say.
constexpr auto between_looks = 100us;
constexpr auto between_later_looks = 500us;
constexpr unsigned soon = 30;  ///< looks
/// A guest that does not want to be called for a frame sleeps on: so many looks are enough.
constexpr unsigned most_patience = 300;

}  // namespace

LockStep::LockStep(std::vector<NicControl*> controls) : controls_(std::move(controls)) {
    for (NicControl* control : controls_) {
        for (const auto queue : control->hold_frames().queues) control->pause(queue);
    }
}

bool LockStep::take_transmitted(const std::vector<NicHolds>& holds) {
    bool any = false;
    for (std::size_t i = 0; i < holds.size(); ++i) {
        // resume() takes all there is before it answers; what comes later waits again.
        for (const auto queue : holds[i].transmit) {
            controls_[i]->resume(queue);
            controls_[i]->pause(queue);
            any = true;
        }
    }
    return any;
}

bool LockStep::give_frame(const std::vector<NicHolds>& holds) {
    const auto holder =
        std::find_if(holds.begin(), holds.end(), [](const NicHolds& nic) { return nic.frames; });
    if (holder == holds.end()) return false;
    controls_[static_cast<std::size_t>(holder - holds.begin())]->release_frame();
    return true;
}

LockStepAct LockStep::act(const Look& look, const std::function<void()>& pause) {
    const auto before = look();
    pause();
    const auto now = look();
    if (!before || !now) return LockStepAct::guest_ended;
    unchanged_ = *before == *now ? unchanged_ + 1 : 0;
    if (!now->asleep || *before != *now) return LockStepAct::nothing;
    if (given_at_ == now->times && ++patience_ < most_patience) return LockStepAct::nothing;
    given_at_.reset();
    std::vector<NicHolds> holds;
    for (NicControl* control : controls_) holds.push_back(control->hold_frames());
    if (take_transmitted(holds)) return LockStepAct::took;
    if (!give_frame(holds)) return LockStepAct::nothing;
    given_at_ = now->times;
    patience_ = 0;
    return LockStepAct::gave;
}

void LockStep::run(const Look& look, const std::stop_token& stop) {
    try {
        const auto pause = [this] {
            std::this_thread::sleep_for(unchanged_ < soon ? between_looks : between_later_looks);
        };
        while (!stop.stop_requested() && act(look, pause) != LockStepAct::guest_ended) {
        }
    } catch (const CannotRun&) {
        return;  // the NIC has ended, which the run notices by itself, and tells with its last
                 // words
    }
}

}  // namespace skbtrail::labs
