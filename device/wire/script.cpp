#include "device/wire/script.h"

#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

constexpr std::array script_options{
    WireOption{"file", "PATH", "the script, JSON"},
    WireOption{"judge", "on|off", "on: exit status 3 when a step was not done at the end (off)"},
    WireOption{"uplink", "KIND|none", "the wire behind, in place of the one that the file names"},
    WireOption{"uplink.", "VALUE", "an option for the uplink: uplink.restrict=on"},
};

std::string doubled_commas(const std::string& text) {
    std::string result;
    for (const char c : text) {
        result.append(c == ',' ? 2 : 1, c);
    }
    return result;
}

std::string script_path(const WireOptions& options) {
    const auto path = options.text("file");
    if (!path || path->empty()) {
        throw std::invalid_argument("--wire script needs the script to play: script,file=PATH");
    }
    return *path;
}

/// The uplink's specification: the option's, else the file's. Empty: none.
std::string uplink_spec(const WireOptions& options, const Script& script) {
    std::string spec = options.text("uplink").value_or(script.uplink.value_or("none"));
    const auto more = options.beginning_with("uplink.");
    if (spec == "none") {
        if (!more.empty()) {
            throw std::invalid_argument(
                fmt::format("--wire script: uplink.{} was given, but there is no uplink; add "
                            "uplink=KIND",
                            more.front().first));
        }
        return {};
    }
    if (parse_wire_spec(spec).kind == "script") {
        throw std::invalid_argument(
            "--wire script: a script cannot be the uplink of a script; put the steps of both into "
            "one file");
    }
    for (const auto& [key, value] : more) {
        spec += fmt::format(",{}={}", key, doubled_commas(value));
    }
    return spec;
}

std::unique_ptr<Wire> make_uplink_of(const WireOptions& options, const Script& script,
                                     const ScriptWire::MakeUplink& make_uplink) {
    const std::string spec = uplink_spec(options, script);
    return spec.empty() ? nullptr : make_uplink(spec);
}

}  // namespace

std::span<const WireOption> ScriptWire::options() {
    return script_options;
}

ScriptWire::ScriptWire(const WireOptions& options, EventLoop& loop, const MakeUplink& make_uplink)
    : ScriptWire(load_script(script_path(options)), options, loop, make_uplink) {}

ScriptWire::ScriptWire(const Script& script, const WireOptions& options, EventLoop& loop,
                       const MakeUplink& make_uplink)
    : ScriptWire(script, loop, make_uplink_of(options, script, make_uplink),
                 options.on_off("judge", false)) {}

ScriptWire::ScriptWire(Script script, EventLoop& loop, std::unique_ptr<Wire> uplink, bool judges)
    : file_(script.file),
      judges_(judges),
      player_(std::move(script), loop,
              [this](std::span<const std::byte> frame) { to_guest_.push(Frame{frame, {}}); }),
      uplink_(std::move(uplink)) {}

ScriptWire::~ScriptWire() {
    player_.log_summary();
}

void ScriptWire::attach(Deliver deliver) {
    to_guest_.attach(std::move(deliver));
    if (uplink_) {
        // A frame that finds no buffer stays with the uplink, which knows what to do with it: one
        // drops, one keeps, one makes no more. The script sees a frame when it passes.
        uplink_->attach([this](const Frame& frame) {
            const Delivery delivery = to_guest_.offer(frame);
            if (delivery) {
                player_.observe(FrameOrigin::uplink, frame.bytes);
            }
            return delivery;
        });
    }
}

void ScriptWire::transmit(const Frame& frame) {
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    // Seen before the uplink's answer to it is: the script sees things in the order of their
    // causes.
    player_.observe(FrameOrigin::guest, frame.bytes);
    if (uplink_) {
        uplink_->transmit(frame);
    }
}

void ScriptWire::on_receive_ready() {
    to_guest_.drain();
    if (uplink_) {
        uplink_->on_receive_ready();
    }
    player_.start();
}

void ScriptWire::on_receive_stopped() {
    if (uplink_) {
        uplink_->on_receive_stopped();
    }
}

void ScriptWire::on_guest_left() {
    to_guest_.clear();
    if (uplink_) {
        uplink_->on_guest_left();
    }
    player_.guest_left();
}

WireCounters ScriptWire::counters() const {
    WireCounters result{from_guest_, to_guest_.counters(), to_guest_.waiting()};
    if (uplink_) {
        // What it delivered came through here.
        const WireCounters behind = uplink_->counters();
        result.from_guest.dropped += behind.from_guest.dropped;
        result.to_guest.dropped += behind.to_guest.dropped;
        result.waiting += behind.waiting;
    }
    return result;
}

std::string ScriptWire::complaint() const {
    const std::size_t open = player_.open_steps();
    if (!judges_ || open == 0) {
        return {};
    }
    return fmt::format("script {}: {} of {} steps not done", file_, open, report().size());
}

std::string ScriptWire::describe() const {
    return uplink_ ? fmt::format("script {}, uplink {}", file_, uplink_->describe())
                   : fmt::format("script {}", file_);
}

}  // namespace skbtrail::device
