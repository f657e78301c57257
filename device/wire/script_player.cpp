#include "device/wire/script_player.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <net/ethernet.h>
#include <spdlog/spdlog.h>

#include "device/wire/nat_frames.h"
#include "device/wire/script_frame_json.h"

namespace skbtrail::device {

namespace {

double milliseconds_since(EventLoop::Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(EventLoop::Clock::now() - start).count();
}

}  // namespace

ScriptPlayer::ScriptPlayer(Script script, EventLoop& loop, Send send)
    : script_(std::move(script)),
      loop_(loop),
      send_(std::move(send)),
      running_(script_.steps.size()) {}

void ScriptPlayer::start() {
    if (started_) {
        return;
    }
    started_ = true;
    for (std::size_t i = 0; i < running_.size(); ++i) {
        if (std::holds_alternative<OnStart>(step(i).when)) {
            schedule(i);
        }
    }
}

void ScriptPlayer::observe(FrameOrigin origin, std::span<const std::byte> frame) {
    // Who waits now: what this frame sets off must not be answered by this same frame.
    const auto expecting = steps_in(StepState::expecting);
    const auto waiting = steps_in(StepState::waiting);
    const bool learnt = origin == FrameOrigin::guest && learn_guest(frame);
    const bool asked =
        !expecting.empty() || std::ranges::any_of(waiting, [this](std::size_t index) {
            return std::holds_alternative<OnFrame>(step(index).when);
        });
    if (asked) {
        const HeaderWords words = header_words(frame);
        for (const std::size_t index : expecting) {
            see_expected(index, origin, words);
        }
        for (const std::size_t index : waiting) {
            see_trigger(index, origin, words);
        }
    }
    if (learnt) {
        for (const std::size_t index : steps_in(StepState::held)) {
            fire(index);
        }
    }
    if (origin == FrameOrigin::guest) {
        start();
    }
}

std::vector<std::size_t> ScriptPlayer::steps_in(StepState state) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < running_.size(); ++i) {
        if (running_[i].state == state) {
            found.push_back(i);
        }
    }
    return found;
}

bool ScriptPlayer::learn_guest(std::span<const std::byte> frame) {
    if (frame.size() < ETHER_HDR_LEN) {
        return false;
    }
    const auto source = MacAddress::from_bytes(frame.subspan(ETHER_ADDR_LEN));
    if (source.is_group() || source == MacAddress{} || guest_ == source) {
        return false;
    }
    guest_ = source;
    spdlog::debug("script {}: the guest is {}", script_.file, source.text());
    return true;
}

void ScriptPlayer::see_expected(std::size_t index, FrameOrigin origin, const HeaderWords& words) {
    auto& running = running_[index];
    const auto& expectation = step(index).expect;
    if (running.state != StepState::expecting || !expectation ||
        !expectation->frame.matches(origin, words, bindings_)) {
        return;
    }
    if (++running.expected_frames < expectation->count) {
        return;
    }
    running.timer.disarm();
    bind(expectation->bind, words);
    spdlog::info("{}: expected {} seen after {:.1f} ms", place(index),
                 expectation->frame.describe(), milliseconds_since(running.sent_at));
    complete(index);
}

void ScriptPlayer::see_trigger(std::size_t index, FrameOrigin origin, const HeaderWords& words) {
    auto& running = running_[index];
    const auto* trigger = std::get_if<OnFrame>(&step(index).when);
    if (trigger == nullptr || running.state != StepState::waiting ||
        !trigger->frame.matches(origin, words, bindings_)) {
        return;
    }
    if (++running.trigger_frames == trigger->count) {
        bind(trigger->bind, words);
        schedule(index);
    }
}

void ScriptPlayer::schedule(std::size_t index) {
    running_[index].state = StepState::scheduled;
    if (step(index).after.count() == 0) {
        fire(index);
        return;
    }
    running_[index].timer = loop_.add_timer(EventLoop::Clock::now() + step(index).after,
                                            [this, index] { on_timer(index); });
}

void ScriptPlayer::on_timer(std::size_t index) {
    auto& running = running_[index];
    if (running.state == StepState::scheduled) {
        fire(index);
    } else if (const auto& expectation = step(index).expect;
               running.state == StepState::expecting && expectation) {
        running.state = StepState::unmet;
        spdlog::warn("{}: expected {} within {} ms, and it did not come (seen {} of {})",
                     place(index), expectation->frame.describe(), expectation->within.count(),
                     running.expected_frames, expectation->count);
    }
}

void ScriptPlayer::fire(std::size_t index) {
    auto& running = running_[index];
    const auto& send = step(index).send;
    if (!guest_ && std::ranges::any_of(send, needs_guest_mac, &ScriptFrame::recipe)) {
        running.state = StepState::held;
        spdlog::info("{}: waits for the guest's first frame, to know its address", place(index));
        return;
    }
    running.sent_at = EventLoop::Clock::now();
    // Before sending: an answer may come while a frame is being delivered.
    if (const auto& expectation = step(index).expect) {
        running.state = StepState::expecting;
        running.timer = loop_.add_timer(running.sent_at + expectation->within,
                                        [this, index] { on_timer(index); });
    }
    std::size_t bytes = 0;
    std::size_t frames = 0;
    for (const ScriptFrame& frame : send) {
        auto recipe = recipe_of(index, frame);
        if (!recipe) {
            running.timer.disarm();
            running.state = StepState::unmet;
            return;
        }
        bytes += send_all(frame, std::move(*recipe), frames);
    }
    if (!send.empty()) {
        spdlog::info("{}: sent {} {} to the guest, {} bytes", place(index), frames,
                     frames == 1 ? "frame" : "frames", bytes);
    }
    if (!step(index).expect) {
        complete(index);
    }
}

void ScriptPlayer::bind(const BoundWords& wanted, const HeaderWords& words) {
    for (const auto& [name, word] : wanted) {
        if (const auto found = words.find(word); found != words.end()) {
            bindings_[name] = found->second;
        } else {
            bindings_.erase(name);  // what it was before is no more
        }
    }
}

std::optional<FrameRecipe> ScriptPlayer::recipe_of(std::size_t index,
                                                   const ScriptFrame& frame) const {
    if (!frame.description) {
        return frame.recipe;
    }
    std::string problem;
    const auto resolved = resolve_all(*frame.description, bindings_, problem);
    if (!resolved) {
        spdlog::warn("{}: cannot send: no frame gave a value for \"{}\"", place(index), problem);
        return std::nullopt;
    }
    try {
        return parse_frame_recipe(JsonNode(*resolved, script_.file));
    } catch (const ScriptError& error) {
        spdlog::warn("{}: cannot send: {}", place(index), error.what());
        return std::nullopt;
    }
}

std::size_t ScriptPlayer::send_all(const ScriptFrame& frame, FrameRecipe recipe,
                                   std::size_t& frames) {
    std::size_t bytes = 0;
    const auto send = [&](std::span<const std::byte> one) {
        bytes += one.size();
        ++frames;
        send_(one);
    };
    for (std::uint32_t i = 0; i < frame.repeat; ++i) {
        const auto crafted = craft_frame(recipe, guest_.value_or(MacAddress{}));
        if (frame.fragment_mtu == 0 || !fragment_ipv4(crafted, frame.fragment_mtu, send)) {
            send(crafted);
        }
        recipe = next_in_burst(recipe);
    }
    return bytes;
}

void ScriptPlayer::complete(std::size_t index) {
    running_[index].state = StepState::done;
    for (std::size_t i = index + 1; i < running_.size(); ++i) {
        const auto* trigger = std::get_if<OnStepDone>(&step(i).when);
        if (trigger != nullptr && trigger->step == index) {
            schedule(i);
        }
    }
}

std::string ScriptPlayer::place(std::size_t index) const {
    return fmt::format("script {}: \"{}\"", script_.file, step(index).name);
}

std::vector<StepReport> ScriptPlayer::report() const {
    std::vector<StepReport> result;
    result.reserve(running_.size());
    for (std::size_t i = 0; i < running_.size(); ++i) {
        result.push_back({step(i).name, running_[i].state, running_[i].trigger_frames,
                          running_[i].expected_frames});
    }
    return result;
}

std::string ScriptPlayer::what_it_waits_for(std::size_t index) const {
    const auto& running = running_[index];
    const auto& [name, when, after, send, expect] = step(index);
    if (running.state == StepState::scheduled) {
        return fmt::format("its {} ms were not over", after.count());
    }
    if (running.state == StepState::held) {
        return "no frame came from the guest to tell its address";
    }
    if (running.state == StepState::unmet && running.expected_frames == 0 && !expect) {
        return "what it sends could not be made";
    }
    if (running.state != StepState::waiting && expect) {
        return fmt::format("expected {} was not seen ({} of {})", expect->frame.describe(),
                           running.expected_frames, expect->count);
    }
    if (const auto* frame = std::get_if<OnFrame>(&when)) {
        return fmt::format("it waits for {} (seen {} of {})", frame->frame.describe(),
                           running.trigger_frames, frame->count);
    }
    if (const auto* earlier = std::get_if<OnStepDone>(&when)) {
        return fmt::format("it waits for \"{}\"", step(earlier->step).name);
    }
    return "the guest's driver was never ready";
}

void ScriptPlayer::log_summary() const {
    std::size_t done = 0;
    for (std::size_t i = 0; i < running_.size(); ++i) {
        if (running_[i].state == StepState::done) {
            ++done;
        } else {
            spdlog::warn("{}: not done: {}", place(i), what_it_waits_for(i));
        }
    }
    spdlog::info("script {}: {} of {} steps done", script_.file, done, running_.size());
}

}  // namespace skbtrail::device
