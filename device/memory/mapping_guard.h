// Survives a guest's memory file being cut short.
//
// The front end keeps its own descriptor of the file that we map, and can truncate it at any time
// (unless F_SEAL_SHRINK is set); our next access would raise SIGBUS and end the process. Checking
// the size before each access would be a race. So there is a SIGBUS handler that knows all
// guarded mappings: it puts anonymous zero pages in the place of the mapping that faulted, marks
// the mapping as lost and lets the access go on. Accesses cost nothing; whoever uses the memory
// asks lost() after a batch, and stops.
//
// Covered: every access from user space through a guarded mapping. Not covered: system calls that
// are given pointers into the mapping; they fail with EFAULT, and their callers must expect it.
// The device makes none.
#pragma once

#include <cstddef>

namespace skbtrail::device {

/// Watches one mapping for as long as it lives. Neither copied nor moved: the handler knows its
/// place.
class MappingGuard {
  public:
    /// `base` and `length` as they were given to mmap(2). Throws std::length_error when all
    /// places are taken (capacity()).
    MappingGuard(void* base, std::size_t length);
    ~MappingGuard();
    MappingGuard(const MappingGuard&) = delete;
    MappingGuard& operator=(const MappingGuard&) = delete;

    /// Whether the file behind the mapping was found cut short. From then on the mapping holds
    /// memory of our own, which nobody shares.
    bool lost() const noexcept;

    /// How many mappings can be guarded at the same time in one process.
    static std::size_t capacity() noexcept;

  private:
    std::size_t slot_;
};

}  // namespace skbtrail::device
