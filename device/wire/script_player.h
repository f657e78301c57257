// Plays a script: watches frames pass, sends when a trigger comes, waits for what is expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/wire/mac_address.h"
#include "device/wire/script_file.h"

namespace skbtrail::device {

/// Where a step of a script stands. `done` and `unmet` are final.
enum class StepState : std::uint8_t {
    waiting,    ///< its trigger has not come
    scheduled,  ///< its trigger came, its time has not
    held,       ///< it has to be sent, and the guest's address is not known
    expecting,  ///< sent, if anything; what it expects was not seen yet
    done,
    unmet,  ///< what it expects did not come in time, or what it sends cannot be made
};

/// A step for a person or a test.
struct StepReport {
    std::string name;
    StepState state = StepState::waiting;
    std::uint64_t trigger_frames = 0;   ///< frames seen that its trigger counts
    std::uint64_t expected_frames = 0;  ///< frames seen that it expects
};

class ScriptPlayer {
  public:
    /// Takes a frame for the guest.
    using Send = std::function<void(std::span<const std::byte>)>;

    ScriptPlayer(Script script, EventLoop& loop, Send send);
    ScriptPlayer(const ScriptPlayer&) = delete;
    ScriptPlayer& operator=(const ScriptPlayer&) = delete;

    /// The guest's driver is ready. Only the first call counts.
    void start();
    /// A frame passed. One from the guest also tells its address, and starts the script.
    void observe(FrameOrigin origin, std::span<const std::byte> frame);
    /// Another guest may come, with another address.
    void guest_left() { guest_.reset(); }

    std::vector<StepReport> report() const;
    /// Steps that are not done.
    std::size_t open_steps() const { return running_.size() - steps_in(StepState::done).size(); }
    /// Tells the log what did not happen, and how much did.
    void log_summary() const;

  private:
    struct Running {
        StepState state = StepState::waiting;
        std::uint64_t trigger_frames = 0;
        std::uint64_t expected_frames = 0;
        EventLoop::Timer timer;  ///< until it is sent, then until its expectation's deadline
        EventLoop::Clock::time_point sent_at;
    };

    const ScriptStep& step(std::size_t index) const { return script_.steps[index]; }
    std::vector<std::size_t> steps_in(StepState state) const;
    /// Whether the frame told an address that was not known.
    bool learn_guest(std::span<const std::byte> frame);
    void see_expected(std::size_t index, FrameOrigin origin, const HeaderWords& words);
    void see_trigger(std::size_t index, FrameOrigin origin, const HeaderWords& words);
    void bind(const BoundWords& wanted, const HeaderWords& words);
    /// The recipe with what is bound now. None, and the log says why, when that makes no frame.
    std::optional<FrameRecipe> recipe_of(std::size_t index, const ScriptFrame& frame) const;
    /// Hands on what one description makes: its repetitions, their fragments. Bytes sent.
    std::size_t send_all(const ScriptFrame& frame, FrameRecipe recipe, std::size_t& frames);
    void schedule(std::size_t index);
    void fire(std::size_t index);
    void on_timer(std::size_t index);
    void complete(std::size_t index);
    std::string place(std::size_t index) const;
    std::string what_it_waits_for(std::size_t index) const;

    Script script_;
    EventLoop& loop_;
    Send send_;
    std::vector<Running> running_;  ///< beside script_.steps
    std::optional<MacAddress> guest_;
    Bindings bindings_;
    bool started_ = false;
};

}  // namespace skbtrail::device
