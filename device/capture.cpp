#include "device/capture.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

/// What is written at once: some hundred frames of a busy wire.
constexpr std::size_t write_bytes = std::size_t{256} << 10;
/// Blocks and options around a frame, at most.
constexpr std::size_t frame_overhead = 128;
/// For a reader, when the NIC ends.
constexpr auto patience = std::chrono::seconds(1);

/// A stream into memory: libpcap writes to streams alone.
std::FILE* stream_into(std::vector<char>& bytes) {
    cookie_io_functions_t functions{};
    functions.write = [](void* cookie, const char* data, std::size_t size) {
        auto& to = *static_cast<std::vector<char>*>(cookie);
        to.insert(to.end(), data, data + size);
        return static_cast<ssize_t>(size);
    };
    return ::fopencookie(&bytes, "wb", functions);
}

}  // namespace

Capture::Capture(const std::string& path, EventLoop* loop)
    : path_(path), takes_comments_(!path.ends_with(".pcap")) {
    const auto fail = [&path](const std::string& why) {
        throw std::runtime_error(fmt::format("cannot write the capture \"{}\": {}", path, why));
    };
    try {
        output_ = open_output(path);
        std::FILE* const stream = stream_into(made_);
        if (stream == nullptr) {
            throw std::system_error(errno, std::generic_category());
        }
        file_ = takes_comments_ ? make_pcapng_file(stream) : make_pcap_file(stream);
    } catch (const std::system_error& error) {
        fail(error.code().message());
    } catch (const std::runtime_error& error) {
        fail(error.what());
    }
    // The file's header now: a path that takes no bytes is better known at the start.
    file_->flush();
    while (waiting() > 0) {
        const ssize_t written = ::write(output_.fd.get(), made_.data() + taken_, waiting());
        if (written < 0 && errno != EINTR) {
            fail(std::generic_category().message(errno));
        }
        note_written(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    whole_ = position_;
    if (loop != nullptr && !output_.on_disk) {
        try {
            reader_ = loop->add_fd(output_.fd.get(), 0, [this](std::uint32_t events) {
                reader_.set_events(0);
                blocked_ = false;
                if (waiting() == 0 && (events & (EPOLLERR | EPOLLHUP)) != 0) {
                    stop(EPIPE);
                } else {
                    write_out();
                }
            });
        } catch (const std::system_error&) {
            // What cannot be waited for (/dev/null) takes everything at once.
        }
    }
}

Capture::~Capture() {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    flush();
    while (file_ && waiting() > 0 && std::chrono::steady_clock::now() < deadline) {
        pollfd reader{output_.fd.get(), POLLOUT, 0};
        ::poll(&reader, 1, 10);
        flush();
    }
    if (file_) {
        lost_ += frame_ends_.size();
        recorded_ -= frame_ends_.size();
        if (lost_ > 0) {
            spdlog::warn("{} of {} frames are not in the capture \"{}\": its reader was too slow",
                         lost_, lost_ + recorded_, path_);
        }
    }
}

void Capture::record(Direction direction, std::span<const std::byte> frame, unsigned queue,
                     std::string_view comment) {
    if (!file_) {
        ++lost_;
        return;
    }
    if (waiting() + frame.size() + comment.size() + frame_overhead > most_waiting) {
        ++lost_;
        if (!std::exchange(behind_, true)) {
            spdlog::warn(
                "the reader of the capture \"{}\" does not keep up: frames are left out, "
                "and counted",
                path_);
        }
        return;
    }
    file_->write(
        {direction, std::chrono::system_clock::now().time_since_epoch(), frame, queue, comment});
    file_->flush();
    frame_ends_.push_back(position_ + waiting());
    ++recorded_;
    if (waiting() >= write_bytes && !blocked_) {
        write_out();
    }
}

void Capture::flush() {
    blocked_ = false;
    if (file_ && waiting() > 0) {
        write_out();
    }
}

void Capture::write_out() {
    while (waiting() > 0) {
        const ssize_t written = ::write(output_.fd.get(), made_.data() + taken_, waiting());
        if (written >= 0) {
            note_written(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            blocked_ = true;
            reader_.set_events(EPOLLOUT);
            return;
        } else if (errno != EINTR) {
            stop(errno);
            return;
        }
    }
}

void Capture::note_written(std::size_t bytes) {
    taken_ += bytes;
    position_ += bytes;
    while (!frame_ends_.empty() && frame_ends_.front() <= position_) {
        whole_ = frame_ends_.front();
        frame_ends_.pop_front();
    }
    // A slow reader takes little at a time: what it has is given up when it is much.
    if (taken_ == made_.size() || taken_ > most_waiting / 2) {
        made_.erase(made_.begin(), made_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
    }
}

void Capture::stop(int error) {
    recorded_ -= frame_ends_.size();
    lost_ += frame_ends_.size();
    spdlog::error("the capture \"{}\" has stopped after {} frames: {}; the NIC goes on without it",
                  path_, recorded_, std::generic_category().message(error));
    reader_.reset();
    file_.reset();
    made_ = {};
    taken_ = 0;
    frame_ends_.clear();
    if (output_.on_disk) {
        [[maybe_unused]] const int unused =
            ::ftruncate(output_.fd.get(), static_cast<off_t>(whole_));
    }
    output_.fd.reset();
}

}  // namespace skbtrail::device
