#include "device/virtqueue/notifier.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

enum class Kind : std::uint8_t { event_fd, pipe, other };

Kind kind_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        return Kind::other;
    }
    if (S_ISFIFO(status.st_mode)) {
        return Kind::pipe;
    }
    // Eventfds have no file type; the name tells them from other anonymous files. Where there is
    // no /proc to ask, the missing type has to do: writing to the others fails harmlessly.
    if ((status.st_mode & S_IFMT) != 0) {
        return Kind::other;
    }
    std::array<char, 64> name{};
    const auto length =
        ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name.data(), name.size());
    if (length < 0) {
        return Kind::event_fd;
    }
    const std::string_view target(name.data(), static_cast<std::size_t>(length));
    return target == "anon_inode:[eventfd]" ? Kind::event_fd : Kind::other;
}

/// Checks the descriptor and makes it non-blocking, for its other owners too: they share the
/// open file. Front ends create theirs like that anyway.
Result<Kind> prepare(int fd) {
    const Kind kind = kind_of(fd);
    if (kind == Kind::other) {
        return failure("the descriptor is neither an eventfd nor a pipe");
    }
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return failure(
            fmt::format("the descriptor cannot be made non-blocking: {}", std::strerror(errno)));
    }
    return kind;
}

/// Reads no more than a pipe usually holds: a writer that never stops would keep us for ever.
/// Returns whether there may be more.
bool drain_pipe(int fd) {
    constexpr int most_reads = 16;
    std::array<std::byte, 4096> ignored;
    for (int reads = 0; reads < most_reads; ++reads) {
        if (::read(fd, ignored.data(), ignored.size()) <= 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

Result<KickSource> KickSource::watch(UniqueFd fd, EventLoop& loop, std::function<void()> on_kick) {
    const auto kind = prepare(fd.get());
    if (!kind) {
        return tl::make_unexpected(kind.error());
    }
    KickSource source;
    // Where it stays when the source is moved: the callback has to find it.
    source.watch_ = std::make_unique<EventLoop::FdWatch>();
    try {
        // Edge-triggered, and an eventfd is never read: each write is an edge of its own, whatever
        // the counter says, so a kick costs one system call and a hang-up cannot spin.
        constexpr std::uint32_t wanted = EPOLLIN | EPOLLET;
        *source.watch_ = loop.add_fd(
            fd.get(), wanted,
            [number = fd.get(), is_pipe = *kind == Kind::pipe, watch = source.watch_.get(),
             callback = std::move(on_kick)](std::uint32_t events) {
                if ((events & EPOLLIN) == 0) {
                    return;
                }
                if (is_pipe && drain_pipe(number)) {
                    // Asked for anew, what is left is an edge again.
                    watch->set_events(wanted);
                }
                callback();
            });
    } catch (const std::system_error& error) {
        return failure(error.what());
    }
    source.fd_ = std::move(fd);
    return source;
}

Result<CallTarget> CallTarget::adopt(UniqueFd fd) {
    if (const auto kind = prepare(fd.get()); !kind) {
        return tl::make_unexpected(kind.error());
    }
    CallTarget target;
    target.fd_ = std::move(fd);
    return target;
}

CallTarget CallTarget::through(std::function<bool()> send) {
    CallTarget target;
    target.send_ = std::move(send);
    return target;
}

bool CallTarget::signal() {
    if (!fd_) {
        return send_ && send_();
    }
    const std::uint64_t one = 1;
    return ::write(fd_.get(), &one, sizeof one) == sizeof one || errno == EAGAIN;
}

}  // namespace skbtrail::device
