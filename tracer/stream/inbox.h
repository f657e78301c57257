// What the reader took from the kernel and the stream has not worked on yet: bounded, and shared by
// two threads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>

#include "tracer/capture.h"
#include "tracer/reader.h"

namespace skbtrail::tracer {

/// What came since the last look.
struct Delivery {
    Capture capture;
    /// Per CPU: everything of its trace buffer up to this time is here or was before.
    std::map<unsigned, std::uint64_t> pages_until;
    /// The same of the events of the BPF ring buffer.
    std::uint64_t events_until = 0;
};

class Inbox : public RawSink {
  public:
    /// `limit` in bytes: what comes while so much waits is counted and not kept.
    explicit Inbox(std::size_t limit) : limit_(limit), capture_(limit) {}

    void add_page(unsigned cpu, std::span<const std::byte> page) override;
    void add_event(std::span<const std::byte> bytes) override;
    void pages_empty(unsigned cpu, std::uint64_t since) override;
    void events_empty(std::uint64_t since) override;

    /// Takes what is there.
    Delivery take();

  private:
    std::size_t limit_;
    std::mutex mutex_;
    Capture capture_;
    std::map<unsigned, std::uint64_t> pages_until_;
    std::uint64_t events_until_ = 0;
};

}  // namespace skbtrail::tracer
