#include "device/capture.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "device/unique_fd.h"

namespace skbtrail::device {

namespace {

/// What is written at once: some hundred frames of a busy wire.
constexpr std::size_t stream_buffer = std::size_t{256} << 10;

}  // namespace

Capture::Capture(const std::string& path) : path_(path), takes_comments_(!path.ends_with(".pcap")) {
    const auto fail = [&path](const std::string& why) {
        throw std::runtime_error(fmt::format("cannot write the capture \"{}\": {}", path, why));
    };
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!fd) {
        fail(std::generic_category().message(errno));
    }
    std::FILE* const stream = ::fdopen(fd.get(), "wb");
    if (stream == nullptr) {
        fail(std::generic_category().message(errno));
    }
    (void)fd.release();  // the stream's, and then the file's
    std::setvbuf(stream, nullptr, _IOFBF, stream_buffer);
    try {
        file_ = takes_comments_ ? make_pcapng_file(stream) : make_pcap_file(stream);
    } catch (const std::runtime_error& error) {
        fail(error.what());
    }
    // The file's header now: a path that takes no bytes is better known at the start.
    if (!file_->flush()) {
        fail(std::generic_category().message(errno));
    }
    flushed_size_ = ::ftello(file_->stream());
}

Capture::~Capture() {
    flush();
}

void Capture::record(Direction direction, std::span<const std::byte> frame, unsigned queue,
                     std::string_view comment) {
    if (!file_) {
        ++lost_;
        return;
    }
    errno = 0;
    file_->write(
        {direction, std::chrono::system_clock::now().time_since_epoch(), frame, queue, comment});
    ++recorded_;
    ++unflushed_;
    // Writing says nothing of what failed; the buffer's overflow shows on the stream.
    if (std::ferror(file_->stream()) != 0) {
        stop(errno);
    }
}

void Capture::flush() {
    if (!file_ || unflushed_ == 0) {
        return;
    }
    errno = 0;
    if (!file_->flush()) {
        stop(errno);
        return;
    }
    unflushed_ = 0;
    flushed_size_ = ::ftello(file_->stream());
}

void Capture::stop(int error) {
    recorded_ -= unflushed_;
    lost_ += unflushed_;
    spdlog::error("the capture \"{}\" has stopped after {} frames: {}; the NIC goes on without it",
                  path_, recorded_,
                  error != 0 ? std::generic_category().message(error) : "the file took no more");
    // What is still in the stream's buffer must not reach the file behind the cut: close first.
    const int again = ::dup(::fileno(file_->stream()));
    file_.reset();
    if (again >= 0) {
        // Fails on a pipe or a device, which have no tail to cut.
        [[maybe_unused]] const int unused = ::ftruncate(again, flushed_size_);
        ::close(again);
    }
}

}  // namespace skbtrail::device
