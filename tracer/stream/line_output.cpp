#include "tracer/stream/line_output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

/// The last chance of a reader who has stopped.
constexpr int reader_grace_ms = 1000;

}  // namespace

LineOutput::LineOutput(const std::string& path)
    : name_(path == "-" ? "the standard output" : path),
      hurry_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!hurry_) throw std::system_error(errno, std::generic_category(), "eventfd");
    fd_ = STDOUT_FILENO;
    if (path == "-") return;
    file_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file_) {
        throw Failure(
            fmt::format("The recording cannot be written to {}: {}.", name_, std::strerror(errno)));
    }
    fd_ = file_.get();
}

bool LineOutput::wait() {
    std::array<pollfd, 2> polls{pollfd{fd_, POLLOUT, 0}, pollfd{hurry_.get(), POLLIN, 0}};
    for (;;) {
        const int ready = ::poll(polls.data(), hurried_ ? 1 : 2, hurried_ ? reader_grace_ms : -1);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) throw std::system_error(errno, std::generic_category(), "poll");
        if (polls[0].revents != 0) return true;
        if (ready == 0) return false;
        hurried_ = true;
    }
}

void LineOutput::write(std::string_view lines) {
    while (!lines.empty() && !closed_) {
        // Once it has waited in vain it does not wait for every line again.
        if (unread_ > 0 || !wait()) {
            unread_ += lines.size();
            return;
        }
        // A pipe that is ready takes so much without waiting.
        const ssize_t count =
            ::write(fd_, lines.data(), std::min<std::size_t>(lines.size(), PIPE_BUF));
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0 && errno == EPIPE) {
            closed_ = true;
            return;
        }
        if (count < 0) {
            throw Failure(fmt::format("The recording cannot be written to {}: {}.", name_,
                                      std::strerror(errno)));
        }
        written_ += static_cast<std::uint64_t>(count);
        lines.remove_prefix(static_cast<std::size_t>(count));
    }
}

void LineOutput::hurry() {
    const std::uint64_t one = 1;
    (void)!::write(hurry_.get(), &one, sizeof one);
}

}  // namespace skbtrail::tracer
