// What passed between the NIC and its wire, as a file for Wireshark and tcpdump.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "device/capture_file.h"

namespace skbtrail::device {

/// Writes frames of both directions with nanosecond time stamps (wall clock): as pcapng, with the
/// direction, the queue and a comment for each, or as pcap when the file's name ends in ".pcap".
///
/// A capture never disturbs the NIC: when the file cannot be written any more (a full disk) that is
/// logged once, the file is cut after its last whole frame, and further frames are only counted.
/// Used from one thread. Writing goes to a buffer; flush() when there is time.
class Capture {
  public:
    using Direction = CaptureDirection;

    /// Creates `path`, or empties it. Throws std::runtime_error with a sentence when that fails.
    explicit Capture(const std::string& path);
    /// Flushes.
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    /// One frame, at the time of the call.
    void record(Direction direction, std::span<const std::byte> frame, unsigned queue = 0,
                std::string_view comment = {});
    /// Whether the file has room for comments: else there is no need to make them.
    bool takes_comments() const { return takes_comments_; }
    /// Hands what is buffered to the kernel.
    void flush();

    /// Frames in the file or its buffer.
    std::uint64_t recorded() const { return recorded_; }
    /// Frames that came after the file could not be written any more.
    std::uint64_t lost() const { return lost_; }
    bool stopped() const { return file_ == nullptr; }

  private:
    void stop(int error);

    std::string path_;
    bool takes_comments_ = false;
    std::unique_ptr<CaptureFile> file_;
    off_t flushed_size_ = 0;       ///< bytes of whole frames that the kernel has taken
    std::uint64_t unflushed_ = 0;  ///< frames in the buffer
    std::uint64_t recorded_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace skbtrail::device
