#include "tests/bench/pinned.h"

#include <cerrno>
#include <cstddef>
#include <system_error>

#include <fmt/format.h>

namespace skbtrail::bench {

Pinned::Pinned(int cpu) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                fmt::format("cannot run on processor {}", cpu));
    }
}

}  // namespace skbtrail::bench
