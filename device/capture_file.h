// The formats that a capture can have.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace skbtrail::device {

enum class CaptureDirection : std::uint8_t { from_guest, to_guest };

/// A frame on its way into a capture.
struct CapturedFrame {
    CaptureDirection direction;
    std::chrono::nanoseconds time;  ///< since 1970
    std::span<const std::byte> bytes;
    unsigned queue = 0;        ///< the virtqueue
    std::string_view comment;  ///< for a person; may be empty
};

/// A file of one format, behind a buffer.
class CaptureFile {
  public:
    virtual ~CaptureFile() = default;
    /// Into the stream's buffer.
    virtual void write(const CapturedFrame& frame) = 0;
    /// Where the bytes go.
    virtual std::FILE* stream() = 0;
    /// Hands what is buffered to the stream's owner; false when that failed.
    bool flush() { return std::fflush(stream()) == 0; }
};

/// pcap, with nanoseconds, by libpcap: no directions, no comments. Takes the stream, and writes
/// the file's header. Throws std::runtime_error with a sentence.
std::unique_ptr<CaptureFile> make_pcap_file(std::FILE* stream);
/// pcapng. Takes the stream, and writes the file's header.
std::unique_ptr<CaptureFile> make_pcapng_file(std::FILE* stream);

}  // namespace skbtrail::device
