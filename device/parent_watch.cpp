#include "device/parent_watch.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace skbtrail::device {

Result<ParentWatch> ParentWatch::start(EventLoop& loop, int parent, std::function<void()> on_end) {
    ParentWatch watch;
    // glibc 2.36 has a wrapper, but not every libc that this should build with.
    watch.fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, parent, 0)));
    // In this order: if the parent is still ours, the descriptor is not of a later process that
    // got its number.
    if (::getppid() != parent) {
        return failure("the process that started this one has ended already");
    }
    if (!watch.fd_) {
        return failure(
            fmt::format("cannot watch the parent process {}: {}", parent, std::strerror(errno)));
    }
    watch.watch_ = loop.add_fd(watch.fd_.get(), EPOLLIN,
                               [callback = std::move(on_end)](std::uint32_t) { callback(); });
    return watch;
}

}  // namespace skbtrail::device
