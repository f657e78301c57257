// A capture file, read frame by frame.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "device/unique_fd.h"

struct bpf_program;
struct pcap;

namespace skbtrail::device {

/// Reads Ethernet frames from a pcap or pcapng file, with libpcap.
class PcapFile {
  public:
    struct Record {
        std::chrono::nanoseconds time;     ///< since 1970
        std::span<const std::byte> bytes;  ///< until the next call
        bool cut = false;                  ///< the file has only the frame's beginning
    };

    /// `filter` is an expression of pcap-filter(7), or empty. Throws std::runtime_error with a
    /// sentence when the file cannot be read, is no capture, or is one of something else than
    /// Ethernet; std::invalid_argument for a filter that is none.
    PcapFile(const std::string& path, const std::string& filter);
    ~PcapFile();
    PcapFile(const PcapFile&) = delete;
    PcapFile& operator=(const PcapFile&) = delete;

    /// The next frame that the filter lets through; none at the end.
    std::optional<Record> next();
    /// Whether the end is where the file broke off, and why.
    const std::string& error() const noexcept { return error_; }
    /// From the first frame again; the file is still open, its path is not looked at.
    void rewind();

  private:
    void open();

    struct Close {
        void operator()(pcap* handle) const;
    };
    struct FreeFilter {
        void operator()(bpf_program* program) const;
    };

    std::string path_;
    std::string filter_text_;
    std::string error_;
    UniqueFd fd_;
    std::unique_ptr<pcap, Close> pcap_;
    std::unique_ptr<bpf_program, FreeFilter> filter_;
};

}  // namespace skbtrail::device
