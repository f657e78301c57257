#include "tests/unit/device/no_descriptors.h"

#include <atomic>
#include <cerrno>

#include <sys/socket.h>

namespace {

std::atomic<bool> none_left = false;

}  // namespace

extern "C" {

// Names that the linker's --wrap asks for.
// NOLINTBEGIN(bugprone-reserved-identifier)
int __real_accept4(int fd, sockaddr* address, socklen_t* length, int flags);

int __wrap_accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    if (none_left) {
        errno = EMFILE;
        return -1;
    }
    return __real_accept4(fd, address, length, flags);
}
// NOLINTEND(bugprone-reserved-identifier)
}

namespace skbtrail::device::test {

NoDescriptors::NoDescriptors() {
    none_left = true;
}

NoDescriptors::~NoDescriptors() {
    none_left = false;
}

}  // namespace skbtrail::device::test
