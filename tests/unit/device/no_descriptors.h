// A process that has no file descriptor left for who connects, for a while.
#pragma once

namespace skbtrail::device::test {

/// accept4() fails with EMFILE while it lives, in every thread. The linker puts this in the place
/// of accept4 (link.cmake). RLIMIT_NOFILE would do as well, were it not for
/// UndefinedBehaviorSanitizer: it opens a pipe to look whether an object is one.
class NoDescriptors {
  public:
    NoDescriptors();
    ~NoDescriptors();
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
};

}  // namespace skbtrail::device::test
