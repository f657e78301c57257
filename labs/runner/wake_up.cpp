#include "labs/runner/wake_up.h"

#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {

WakeUp::WakeUp() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!fd_) {
        throw CannotRun("cannot make an eventfd: too many files are open");
    }
}

void WakeUp::signal() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
}

void WakeUp::clear() const noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace skbtrail::labs
