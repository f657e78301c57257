// What passed between the NIC and its wire, as a file for Wireshark and tcpdump.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <sys/types.h>

// libpcap's types stay in the source file.
struct pcap;
struct pcap_dumper;

namespace skbtrail::device {

/// Writes frames of both directions to a pcap file with nanosecond time stamps (wall clock).
///
/// A capture never disturbs the NIC: when the file cannot be written any more (a full disk) that is
/// logged once, the file is cut after its last whole frame, and further frames are only counted.
/// Used from one thread. Writing goes to a buffer; flush() when there is time.
class Capture {
  public:
    enum class Direction : std::uint8_t { from_guest, to_guest };

    /// Creates `path`, or empties it. Throws std::runtime_error with a sentence when that fails.
    explicit Capture(const std::string& path);
    /// Flushes.
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    /// One frame, at the time of the call.
    void record(Direction direction, std::span<const std::byte> frame);
    /// Hands what is buffered to the kernel.
    void flush();

    /// Frames in the file or its buffer.
    std::uint64_t recorded() const { return recorded_; }
    /// Frames that came after the file could not be written any more.
    std::uint64_t lost() const { return lost_; }
    bool stopped() const { return dumper_ == nullptr; }

  private:
    void stop(int error);

    struct ClosePcap {
        void operator()(pcap* handle) const;
    };
    struct CloseDumper {
        void operator()(pcap_dumper* dumper) const;
    };

    std::string path_;
    std::unique_ptr<pcap, ClosePcap> pcap_;
    std::unique_ptr<pcap_dumper, CloseDumper> dumper_;
    off_t flushed_size_ = 0;       ///< bytes of whole frames that the kernel has taken
    std::uint64_t unflushed_ = 0;  ///< frames in the buffer
    std::uint64_t recorded_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace skbtrail::device
