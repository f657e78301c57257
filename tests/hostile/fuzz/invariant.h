// What a fuzzer asserts beyond "it does not crash": a violation ends the process, so that the
// fuzzer keeps the input.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace skbtrail::hostile {

/// Ends the process with a sentence unless `holds`.
inline void require(bool holds, const char* sentence) {
    if (!holds) {
        std::fprintf(stderr, "invariant broken: %s\n", sentence);
        std::abort();
    }
}

/// Notices descriptors that are left open: while nothing leaks, the lowest free number stays.
class DescriptorsBalance {
  public:
    DescriptorsBalance() : lowest_(lowest_free()) {}
    ~DescriptorsBalance() { require(lowest_free() == lowest_, "a descriptor was left open"); }
    DescriptorsBalance(const DescriptorsBalance&) = delete;
    DescriptorsBalance& operator=(const DescriptorsBalance&) = delete;

  private:
    static int lowest_free() {
        const int free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(free);
        return free;
    }
    int lowest_;
};

}  // namespace skbtrail::hostile
