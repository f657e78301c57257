// What the NIC sees and does at its rings, as JSON lines: the ring events of a recording.
//
// One object a line, in the order of things:
//   {"sequence":1,"time":ns,"queue":1,"event":"available","index":5,"head":3,"length":110,
//    "descriptors":[{"address":"0x7f00","length":110,"device_writable":false}]}
// `event` is one of
//   available        the NIC took a chain: index in the available ring, head, its buffers
//   used             it returned one: index in the used ring, head; length is what it wrote to the
//                    chain (receive) or read from it (transmit)
//   kick             the driver woke the NIC
//   call             the NIC woke the driver: index is the used index, reason the rule
//   call_suppressed  it did not have to, and why
// `time` is CLOCK_MONOTONIC in ns. Members that do not apply are absent.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "device/unique_fd.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/split_ring.h"

namespace skbtrail::device {

/// Writes to a buffer; flush() when there is time. A file that cannot be written any more is
/// logged once, and what follows is counted. Used from the loop's thread.
class RingEventLog {
  public:
    /// Creates or empties `path`. Throws std::system_error.
    explicit RingEventLog(const std::string& path);
    ~RingEventLog();
    RingEventLog(const RingEventLog&) = delete;
    RingEventLog& operator=(const RingEventLog&) = delete;

    void available(unsigned queue, const Chain& chain);
    void used(unsigned queue, std::uint16_t index, std::uint16_t head, std::uint32_t length);
    void kick(unsigned queue);
    /// `delivered`: whether there was somebody to wake.
    void call(unsigned queue, const SplitRing::CallDecision& decision, bool delivered);

    void flush();
    /// Events so far, and those of them that are not in the file.
    std::uint64_t events() const noexcept { return sequence_; }
    std::uint64_t lost() const noexcept { return lost_; }

  private:
    void begin(unsigned queue, const char* event);
    void end();

    std::string path_;
    UniqueFd fd_;
    fmt::memory_buffer buffer_;
    std::uint64_t sequence_ = 0;
    std::uint64_t buffered_ = 0;
    std::uint64_t lost_ = 0;
    bool failed_ = false;
};

}  // namespace skbtrail::device
