#include "device/wire/generate.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/ethernet.h>
#include <spdlog/spdlog.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

/// At a rate, so many frames may wait for a guest that has no buffers.
constexpr std::uint64_t longest_backlog = 1024;
/// Several frames share a wake-up when they are closer together than this.
constexpr std::chrono::nanoseconds shortest_tick = std::chrono::microseconds(50);

/// Beyond any guest.
constexpr std::uint64_t highest_rate = 1'000'000'000;

/// So many flows in a row are refused by a guest before all are taken to be.
constexpr unsigned most_refused = 8;

constexpr std::size_t largest_frame = 65535 + 14;
/// The simple IMIX: 7 small, 4 medium and 1 large, mixed, without FCS.
constexpr std::array<std::size_t, 12> imix{64, 590, 64, 64, 590, 64, 1514, 64, 590, 64, 64, 590};

constexpr std::array generate_options{
    WireOption{"rate", "N", "frames a second (as fast as the guest takes them)"},
    WireOption{"size", "N|imix", "bytes of a frame without FCS, or 64, 590, 1514 as 7:4:1 (64)"},
    WireOption{"flows", "N", "so many UDP source ports, in turn (1)"},
    WireOption{"count", "N", "stop after so many frames (never)"},
    WireOption{"mac", "ADDRESS", "the guest's (learnt from its frames, broadcast until then)"},
    WireOption{"source", "ADDRESS", "IPv4 address that frames come from (198.18.0.1)"},
    WireOption{"destination", "ADDRESS", "IPv4 address that they go to (198.18.0.2)"},
    WireOption{"port", "N", "UDP port that they go to (9)"},
};

std::string ipv4(const WireOptions& options, std::string_view key, const std::string& otherwise) {
    const std::string text = options.text(key).value_or(otherwise);
    in_addr address{};
    if (::inet_pton(AF_INET, text.c_str(), &address) != 1) {
        options.fail(key, "expected an IPv4 address");
    }
    return text;
}

GeneratedTraffic parse_traffic(const WireOptions& options) {
    GeneratedTraffic traffic;
    if (options.text("size") == "imix") {
        traffic.sizes.assign(imix.begin(), imix.end());
    } else {
        traffic.sizes = {options.number("size", GeneratedFrames::smallest_frame, largest_frame)
                             .value_or(traffic.sizes.front())};
    }
    traffic.flows = static_cast<unsigned>(
        options.number("flows", 1, GeneratedTraffic::most_flows).value_or(traffic.flows));
    if (const auto text = options.text("mac")) {
        const auto mac = MacAddress::parse(*text);
        if (!mac) {
            options.fail("mac", "expected a MAC address like 52:54:00:12:34:56");
        }
        traffic.destination = *mac;
    }
    traffic.source_ip = ipv4(options, "source", traffic.source_ip);
    traffic.destination_ip = ipv4(options, "destination", traffic.destination_ip);
    traffic.destination_port = static_cast<std::uint16_t>(
        options.number("port", 0, 65535).value_or(traffic.destination_port));
    return traffic;
}

GeneratedFrames make_frames(const WireOptions& options, const GeneratedTraffic& traffic) {
    auto frames = GeneratedFrames::make(traffic);
    if (!frames) {
        options.fail("flows", fmt::format("so many frames of that size are more than the {} MiB "
                                          "that are kept of them",
                                          GeneratedFrames::most_bytes >> 20));
    }
    return std::move(*frames);
}

}  // namespace

std::span<const WireOption> GenerateWire::options() {
    return generate_options;
}

GenerateWire::GenerateWire(const WireOptions& options, EventLoop& loop)
    : GenerateWire(options, loop, parse_traffic(options)) {}

GenerateWire::GenerateWire(const WireOptions& options, EventLoop& loop,
                           const GeneratedTraffic& traffic)
    : frames_(make_frames(options, traffic)),
      learns_destination_(!options.text("mac")),
      guest_(traffic.destination),
      patience_(std::min(traffic.flows, most_refused)),
      most_(options.number("count", 1, std::numeric_limits<std::uint64_t>::max())),
      continue_(loop.add_timer([this] { work(); })) {
    const auto rate = options.number("rate", 1, highest_rate);
    rate_ = static_cast<double>(rate.value_or(0));
    description_ = fmt::format(
        "generate {}{}, {} {}",
        traffic.sizes.size() > 1 ? "IMIX" : fmt::format("{} bytes", traffic.sizes.front()),
        rate ? fmt::format(" {} times a second", *rate) : "", traffic.flows,
        traffic.flows == 1 ? "flow" : "flows");
    if (!rate) {
        return;
    }
    ticks_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!ticks_) {
        throw std::system_error(errno, std::generic_category(), "--wire generate: a timer");
    }
    ticks_watch_ = loop.add_fd(ticks_.get(), EPOLLIN, [this](std::uint32_t) {
        std::uint64_t ticks = 0;
        if (::read(ticks_.get(), &ticks, sizeof ticks) == sizeof ticks) {
            work();
        }
    });
}

void GenerateWire::transmit(const Frame& frame) {
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    if (learns_destination_) {
        learn_guest(frame.bytes);
    }
}

void GenerateWire::learn_guest(std::span<const std::byte> frame) {
    if (frame.size() < ETHER_HDR_LEN ||
        std::memcmp(frame.data() + ETHER_ADDR_LEN, guest_.octets.data(), ETHER_ADDR_LEN) == 0) {
        return;
    }
    const auto source = MacAddress::from_bytes(frame.subspan(ETHER_ADDR_LEN));
    if (!source.is_group() && source != MacAddress{}) {
        guest_ = source;
        frames_.set_destination(source);
    }
}

void GenerateWire::on_receive_ready() {
    starved_ = false;
    if (left() == 0) {
        return;
    }
    if (!running_) {
        running_ = true;
        start_ = Clock::now();
        scheduled_ = 0;
        start_ticking();
    }
    work();
}

void GenerateWire::on_receive_stopped() {
    running_ = false;
    refused_ = 0;
    start_ticking();
}

void GenerateWire::on_guest_left() {
    on_receive_stopped();
    if (learns_destination_) {
        guest_ = GeneratedTraffic{}.destination;
        frames_.set_destination(guest_);
    }
}

void GenerateWire::start_ticking() {
    if (!ticks_) {
        return;
    }
    itimerspec times{};
    if (running_ && left() > 0) {
        const auto between =
            std::chrono::nanoseconds(static_cast<std::int64_t>(std::ceil(1e9 / rate_)));
        const auto tick = std::max(between, shortest_tick);
        times.it_interval.tv_sec = std::chrono::floor<std::chrono::seconds>(tick).count();
        times.it_interval.tv_nsec = (tick % std::chrono::seconds(1)).count();
        times.it_value = times.it_interval;
    }
    ::timerfd_settime(ticks_.get(), 0, &times, nullptr);
}

std::uint64_t GenerateWire::left() const noexcept {
    return most_ ? *most_ - made_ : std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t GenerateWire::due() {
    if (rate_ == 0) {
        return left();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const auto by_now = static_cast<std::uint64_t>(seconds * rate_);
    std::uint64_t waiting = std::min(by_now - std::min(by_now, scheduled_), left());
    if (waiting > longest_backlog) {
        const std::uint64_t lost = waiting - longest_backlog;
        to_guest_.dropped += lost;
        scheduled_ += lost;
        made_ += lost;
        waiting = longest_backlog;
    }
    return waiting;
}

void GenerateWire::work() {
    if (!running_ || working_) {
        return;
    }
    const std::uint64_t waiting = due();
    if (starved_) {
        return;
    }
    working_ = true;
    const bool sent = deliver_burst(std::min(waiting, turn_budget));
    working_ = false;
    if (left() == 0) {
        spdlog::info("generate: all {} frames are made, {} of them lost for want of buffers", made_,
                     to_guest_.dropped);
        on_receive_stopped();
    } else if (sent && (waiting > turn_budget || rate_ == 0)) {
        continue_.arm(Clock::now());
    }
}

bool GenerateWire::deliver_burst(std::uint64_t frames) {
    for (; frames > 0; --frames) {
        const std::span<const std::byte> bytes = frames_.front();
        if (!deliver_(Frame{bytes, {}})) {
            // Another flow may go to a queue of the guest that has buffers.
            if (++refused_ == patience_) {
                frames_.retreat(std::exchange(refused_, 0) - 1);  // none has had its turn
                starved_ = true;
                return false;
            }
            frames_.advance();
            continue;
        }
        if (!running_) {
            return false;
        }
        if (rate_ != 0) {
            // Those that were refused while others were not had their time, and their queue.
            to_guest_.dropped += refused_;
            scheduled_ += refused_;
            made_ += refused_;
        }
        refused_ = 0;
        frames_.advance();
        ++made_;
        ++scheduled_;
        ++to_guest_.frames;
        to_guest_.bytes += bytes.size();
    }
    return true;
}

WireCounters GenerateWire::counters() const {
    return {from_guest_, to_guest_, 0};
}

}  // namespace skbtrail::device
