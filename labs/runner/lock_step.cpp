#include "labs/runner/lock_step.h"

#include <chrono>
#include <thread>

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

LockStep::LockStep(NicControl& control) : control_(control) {
    for (const auto queue : control_.hold_frames().queues) control_.pause(queue);
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
    const auto holds = control_.hold_frames();
    if (!holds.transmit.empty()) {
        // resume() takes all there is before it answers; what comes later waits again.
        for (const auto queue : holds.transmit) {
            control_.resume(queue);
            control_.pause(queue);
        }
        return LockStepAct::took;
    }
    if (!holds.frames) return LockStepAct::nothing;
    given_at_ = now->times;
    patience_ = 0;
    control_.release_frame();
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
