#include "device/net/ring_events.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>
#include <system_error>

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

/// Written out when the buffer has grown to this, idle or not.
constexpr std::size_t flush_at = std::size_t{64} * 1024;

std::int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Why the driver was called or not, with the arithmetic (virtio 1.3, 2.7.7).
std::string reason_of(const SplitRing::CallDecision& decision, bool delivered) {
    if (decision.wanted && !delivered) {
        return "the driver has given no call descriptor: it polls";
    }
    if (!decision.by_event) {
        return decision.wanted ? "VIRTQ_AVAIL_F_NO_INTERRUPT is not set"
                               : "VIRTQ_AVAIL_F_NO_INTERRUPT is set";
    }
    if (decision.first) {
        return "the first since the ring was started";
    }
    return fmt::format("used index {} -> {} {} used_event {}", decision.before, decision.now,
                       decision.wanted ? "passes" : "does not pass", decision.event);
}

}  // namespace

RingEventLog::RingEventLog(const std::string& path)
    : path_(path),
      fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0644)) {
    if (!fd_) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot write ring events to " + path);
    }
}

RingEventLog::~RingEventLog() {
    flush();
    if (lost_ > 0) {
        spdlog::warn("{} of {} ring events are not in {}", lost_, sequence_, path_);
    }
}

void RingEventLog::available(unsigned queue, const Chain& chain) {
    begin(queue, "available");
    fmt::format_to(std::back_inserter(buffer_),
                   R"(,"index":{},"head":{},"length":{},"descriptors":[)", chain.available_index(),
                   chain.head(), chain.readable_bytes() + chain.writable_bytes());
    const char* separator = "";
    for (const ChainDescriptor& descriptor : chain.descriptors()) {
        fmt::format_to(std::back_inserter(buffer_),
                       R"({}{{"address":"{:#x}","length":{},"device_writable":{}}})", separator,
                       descriptor.address.value, descriptor.length, descriptor.device_writable);
        separator = ",";
    }
    buffer_.push_back(']');
    end();
}

void RingEventLog::used(unsigned queue, std::uint16_t index, std::uint16_t head,
                        std::uint32_t length) {
    begin(queue, "used");
    fmt::format_to(std::back_inserter(buffer_), R"(,"index":{},"head":{},"length":{})", index, head,
                   length);
    end();
}

void RingEventLog::kick(unsigned queue) {
    begin(queue, "kick");
    end();
}

void RingEventLog::call(unsigned queue, const SplitRing::CallDecision& decision, bool delivered) {
    begin(queue, decision.wanted && delivered ? "call" : "call_suppressed");
    fmt::format_to(std::back_inserter(buffer_), R"(,"index":{},"reason":"{}")", decision.now,
                   reason_of(decision, delivered));
    end();
}

void RingEventLog::begin(unsigned queue, const char* event) {
    fmt::format_to(std::back_inserter(buffer_),
                   R"({{"sequence":{},"time":{},"queue":{},"event":"{}")", ++sequence_,
                   monotonic_ns(), queue, event);
}

void RingEventLog::end() {
    buffer_.push_back('}');
    buffer_.push_back('\n');
    ++buffered_;
    if (buffer_.size() >= flush_at) {
        flush();
    }
}

void RingEventLog::flush() {
    std::size_t done = 0;
    while (!failed_ && done < buffer_.size()) {
        const ssize_t written = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
        if (written > 0) {
            done += static_cast<std::size_t>(written);
        } else if (errno != EINTR) {
            spdlog::error("ring events end here: cannot write to {}: {}", path_,
                          std::strerror(errno));
            failed_ = true;
        }
    }
    if (failed_) {
        lost_ += buffered_;
    }
    buffered_ = 0;
    buffer_.clear();
}

}  // namespace skbtrail::device
