#include "device/capture.h"

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "device/unique_fd.h"

namespace skbtrail::device {

namespace {

/// More than any frame: 64 KiB of segmentation offload and its headers.
constexpr int snapshot_length = 262144;
/// What is written at once: some hundred frames of a busy wire.
constexpr std::size_t stream_buffer = std::size_t{256} << 10;

}  // namespace

void Capture::ClosePcap::operator()(pcap* handle) const {
    ::pcap_close(handle);
}

void Capture::CloseDumper::operator()(pcap_dumper* dumper) const {
    ::pcap_dump_close(dumper);
}

Capture::Capture(const std::string& path) : path_(path) {
    const auto fail = [&path](const std::string& why) {
        throw std::runtime_error(fmt::format("cannot write the capture \"{}\": {}", path, why));
    };
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!fd) {
        fail(std::generic_category().message(errno));
    }
    pcap_.reset(::pcap_open_dead_with_tstamp_precision(DLT_EN10MB, snapshot_length,
                                                       PCAP_TSTAMP_PRECISION_NANO));
    if (!pcap_) {
        fail("out of memory");
    }
    std::FILE* file = ::fdopen(fd.get(), "wb");
    if (file == nullptr) {
        fail(std::generic_category().message(errno));
    }
    (void)fd.release();  // the FILE's, and then the dumper's
    std::setvbuf(file, nullptr, _IOFBF, stream_buffer);
    dumper_.reset(::pcap_dump_fopen(pcap_.get(), file));
    if (!dumper_) {
        fail(::pcap_geterr(pcap_.get()));  // and has closed the FILE
    }
    // The file's header now: a path that takes no bytes is better known at the start.
    if (::pcap_dump_flush(dumper_.get()) != 0) {
        fail(std::generic_category().message(errno));
    }
    // NOLINTNEXTLINE(clang-analyzer-unix.Stream): the dumper owns the FILE
    flushed_size_ = ::ftello(file);
}

Capture::~Capture() {
    flush();
}

void Capture::record(Direction /* pcap has no place for it; the MAC addresses tell */,
                     std::span<const std::byte> frame) {
    if (!dumper_) {
        ++lost_;
        return;
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    pcap_pkthdr header{};
    header.ts.tv_sec = seconds.count();
    // With nanosecond precision libpcap takes nanoseconds here.
    header.ts.tv_usec = std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds).count();
    header.len = static_cast<bpf_u_int32>(frame.size());
    header.caplen = header.len;
    errno = 0;
    ::pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header,
                reinterpret_cast<const u_char*>(frame.data()));
    ++recorded_;
    ++unflushed_;
    // pcap_dump says nothing of a failed write; the buffer's overflow shows on the stream.
    if (std::ferror(::pcap_dump_file(dumper_.get())) != 0) {
        stop(errno);
    }
}

void Capture::flush() {
    if (!dumper_ || unflushed_ == 0) {
        return;
    }
    errno = 0;
    if (::pcap_dump_flush(dumper_.get()) != 0) {
        stop(errno);
        return;
    }
    unflushed_ = 0;
    flushed_size_ = ::ftello(::pcap_dump_file(dumper_.get()));
}

void Capture::stop(int error) {
    recorded_ -= unflushed_;
    lost_ += unflushed_;
    spdlog::error("the capture \"{}\" has stopped after {} frames: {}; the NIC goes on without it",
                  path_, recorded_,
                  error != 0 ? std::generic_category().message(error) : "the file took no more");
    // What is still in the stream's buffer must not reach the file behind the cut: close first.
    const int again = ::dup(::fileno(::pcap_dump_file(dumper_.get())));
    dumper_.reset();
    if (again >= 0) {
        // Fails on a pipe or a device, which have no tail to cut.
        [[maybe_unused]] const int unused = ::ftruncate(again, flushed_size_);
        ::close(again);
    }
}

}  // namespace skbtrail::device
