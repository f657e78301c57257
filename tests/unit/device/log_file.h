// The log of written pages as a front end has it: a file, and its own view of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "device/unique_fd.h"

namespace skbtrail::device::test {

class LogFile {
  public:
    explicit LogFile(std::size_t size = 4096)
        : fd_(::memfd_create("dirty-log", MFD_CLOEXEC)), size_(size) {
        cut(size);
    }

    const UniqueFd& fd() const { return fd_; }
    std::vector<unsigned> bytes(std::size_t count, std::size_t offset = 0) const {
        std::vector<std::uint8_t> raw(count);
        if (::pread(fd_.get(), raw.data(), count, static_cast<off_t>(offset)) !=
            static_cast<ssize_t>(count)) {
            throw std::runtime_error("pread");
        }
        return {raw.begin(), raw.end()};
    }
    /// The numbers of the pages that are marked.
    std::set<std::uint64_t> pages() const {
        std::set<std::uint64_t> marked;
        const auto bits = bytes(size_);
        for (std::uint64_t page = 0; page < bits.size() * 8; ++page) {
            if ((bits[page / 8] >> page % 8 & 1) != 0) {
                marked.insert(page);
            }
        }
        return marked;
    }
    void cut(std::size_t size) {
        if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
            throw std::runtime_error("ftruncate");
        }
    }

  private:
    UniqueFd fd_;
    std::size_t size_;
};

}  // namespace skbtrail::device::test
