#include "device/wire/pcap_replay.h"

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "device/parse_number.h"

namespace skbtrail::device {

namespace {

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
constexpr double slowest = 0.001;
constexpr double fastest = 1000;

constexpr std::array pcap_options{
    WireOption{"file", "PATH", "the capture: pcap or pcapng, of Ethernet"},
    WireOption{"speed", "X|max", "so many times as fast as it was (1); max: without its times"},
    WireOption{"loop", "N|forever", "play it so often (1)"},
    WireOption{"filter", "EXPRESSION", "only these frames: pcap-filter(7), for example \"arp\""},
};

std::string file_path(const WireOptions& options) {
    const auto path = options.text("file");
    if (!path || path->empty()) {
        throw std::invalid_argument("--wire pcap needs the capture to play: pcap,file=PATH");
    }
    return *path;
}

double parse_speed(const WireOptions& options) {
    const std::string text = options.text("speed").value_or("1");
    if (text == "max") {
        return 0;
    }
    const auto speed = parse_number<double>(text);
    if (!speed || !(*speed >= slowest) || !(*speed <= fastest)) {
        options.fail("speed", "expected \"max\" or a number from 0.001 to 1000");
    }
    return *speed;
}

}  // namespace

std::span<const WireOption> PcapWire::options() {
    return pcap_options;
}

PcapWire::PcapWire(const WireOptions& options, EventLoop& loop)
    : path_(file_path(options)),
      file_(path_, options.text("filter").value_or("")),
      speed_(parse_speed(options)),
      rounds_left_(options.text("loop") == "forever"
                       ? forever
                       : options.number("loop", 1, forever - 1).value_or(1)),
      continue_(loop.add_timer([this] { work(); })),
      at_(loop, [this] { work(); }) {}

void PcapWire::transmit(const Frame& frame) {
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
}

void PcapWire::on_receive_ready() {
    starved_ = false;
    running_ = true;
    to_guest_.drain();
    work();
}

void PcapWire::on_receive_stopped() {
    running_ = false;
    first_time_.reset();  // after a pause the next frame is due at once
    at_.disarm();
}

void PcapWire::on_guest_left() {
    on_receive_stopped();
    to_guest_.clear();
}

const PcapFile::Record* PcapWire::next_frame() {
    while (!next_ && !finished_) {
        next_ = file_.next();
        if (next_) {
            round_has_frames_ = true;
            if (next_->cut) {
                ++cut_;
                next_.reset();
            }
            continue;
        }
        if (!file_.error().empty()) {
            spdlog::warn("pcap {}: the file breaks off: {}", path_, file_.error());
        }
        if (rounds_left_ != forever) {
            --rounds_left_;
        }
        finished_ = rounds_left_ == 0 || !round_has_frames_ || played_ == 0;
        if (finished_) {
            spdlog::info("pcap {}: all {} frames are played{}", path_, played_,
                         cut_ == 0 ? ""
                                   : fmt::format("; {} were not, of which the file has only the "
                                                 "beginning",
                                                 cut_));
            break;
        }
        file_.rewind();
        first_time_.reset();
        round_has_frames_ = false;
    }
    return next_ ? &*next_ : nullptr;
}

PcapWire::Clock::time_point PcapWire::due(const PcapFile::Record& frame) const {
    const std::chrono::duration<double, std::nano> since =
        frame.time - first_time_.value_or(frame.time);
    return start_ + std::chrono::duration_cast<Clock::duration>(since / speed_);
}

bool PcapWire::deliver(const PcapFile::Record& frame) {
    if (speed_ != 0) {
        // Like a link: what the guest has no buffers for waits for a moment, or is lost.
        to_guest_.push(Frame{frame.bytes, {}});
        return true;
    }
    return to_guest_.offer(Frame{frame.bytes, {}}).taken;
}

void PcapWire::work() {
    for (std::size_t i = 0; i < turn_budget && running_ && !starved_; ++i) {
        const PcapFile::Record* const frame = next_frame();
        if (frame == nullptr) {
            return;
        }
        if (speed_ != 0) {
            const auto now = Clock::now();
            if (!first_time_) {
                // The guest has to take the first one: a front end wakes its queues when it starts
                // them, long before a driver gives buffers.
                if (!to_guest_.offer(Frame{frame->bytes, {}})) {
                    starved_ = running_;
                    return;
                }
                first_time_ = frame->time;
                start_ = now;
                ++played_;
                next_.reset();
                continue;
            }
            if (const auto when = due(*frame); when > now) {
                at_.arm(when);
                return;
            }
        }
        if (!deliver(*frame)) {
            starved_ = running_;
            return;
        }
        if (running_) {
            ++played_;
            next_.reset();
        }
    }
    if (running_) {
        continue_.arm(Clock::now());
    }
}

WireCounters PcapWire::counters() const {
    WireCounters result{from_guest_, to_guest_.counters(), to_guest_.waiting()};
    result.to_guest.dropped += cut_;
    return result;
}

std::string PcapWire::describe() const {
    return fmt::format(
        "pcap {}, {}", path_,
        speed_ == 0 ? "as fast as possible" : fmt::format("{} times its speed", speed_));
}

}  // namespace skbtrail::device
