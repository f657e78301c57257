// What passed between the NIC and its wire, as a file for Wireshark and tcpdump.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "device/capture_file.h"
#include "device/event_loop.h"
#include "device/output_file.h"

namespace skbtrail::device {

/// Writes frames of both directions with nanosecond time stamps (wall clock): as pcapng, with the
/// direction, the queue and a comment for each, or as pcap when the file's name ends in ".pcap".
///
/// A capture never disturbs the NIC. A pipe whose reader does not keep up is not waited for: what
/// finds most_waiting bytes before it is left out, whole, and counted, and the file goes on behind
/// it. When the file cannot be written any more (a full disk, a reader that is gone) that is logged
/// once, a file on a disk is cut after its last whole frame, and further frames are only counted.
/// Used from one thread. Writing goes to a buffer; flush() when there is time.
class Capture {
  public:
    using Direction = CaptureDirection;

    /// Bytes that may wait for a reader: some thousand frames.
    static constexpr std::size_t most_waiting = std::size_t{4} << 20;

    /// Creates `path`, or empties it. With a loop, what waits for a slow reader goes on when that
    /// has read; without, at the next flush(). Throws std::runtime_error with a sentence.
    explicit Capture(const std::string& path, EventLoop* loop = nullptr);
    /// Flushes, waiting no longer than a second for a reader, and says how many frames are missing.
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    /// One frame, at the time of the call.
    void record(Direction direction, std::span<const std::byte> frame, unsigned queue = 0,
                std::string_view comment = {});
    /// Whether the file has room for comments: else there is no need to make them.
    bool takes_comments() const { return takes_comments_; }
    /// Hands what is buffered to the kernel, as far as that takes it.
    void flush();

    /// Frames in the file or its buffer.
    std::uint64_t recorded() const { return recorded_; }
    /// Frames that came while the reader was too slow, or after the file could not be written any
    /// more.
    std::uint64_t lost() const { return lost_; }
    bool stopped() const { return file_ == nullptr; }

  private:
    std::size_t waiting() const { return made_.size() - taken_; }
    /// Writes until nothing waits or nothing more is taken. Whether the file is still there.
    void write_out();
    void note_written(std::size_t bytes);
    void stop(int error);

    std::string path_;
    bool takes_comments_;
    OutputFile output_;
    std::vector<char> made_;                ///< what the format made of the frames
    std::size_t taken_ = 0;                 ///< of that, by the kernel
    std::uint64_t position_ = 0;            ///< in the file, of what the kernel has taken
    std::uint64_t whole_ = 0;               ///< of these, up to the end of a frame
    std::deque<std::uint64_t> frame_ends_;  ///< in the file, of frames not wholly taken
    bool blocked_ = false;                  ///< the reader has to read first
    bool behind_ = false;                   ///< frames are being left out
    std::unique_ptr<CaptureFile> file_;
    std::uint64_t recorded_ = 0;
    std::uint64_t lost_ = 0;
    EventLoop::FdWatch reader_;  ///< of a pipe: it has read, or is gone
};

}  // namespace skbtrail::device
