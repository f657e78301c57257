// Which pages of the guest's memory the device has written: what a migration has to copy again.
//
// The log is a bitmap in memory that the front end shares with us (vhost-user, "Migration"): bit n
// is the page at guest address n * 4096. The front end takes bits away while we set them, so every
// bit is set by an atomic operation, and after the write that it is about.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "device/memory/address.h"
#include "device/memory/region.h"
#include "device/result.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

/// A mapped log. The descriptor it came from is not needed after map().
class DirtyLog {
  public:
    /// VHOST_LOG_PAGE: what one bit stands for, whatever the machine's pages are.
    static constexpr std::uint64_t page_bytes = 0x1000;

    /// Maps `size` bytes of the file at `offset`. Fails, with a sentence, when that is nothing,
    /// wraps around, exceeds the file, or is no file in memory. A file that is cut short later
    /// ends nothing: see lost().
    static Result<std::shared_ptr<DirtyLog>> map(const UniqueFd& file, std::uint64_t offset,
                                                 std::uint64_t size);

    /// Whether the log has a bit for every page of [address, address + length). A range that
    /// wraps around has not; an empty one always has.
    bool covers(GuestAddress address, std::uint64_t length) const noexcept;
    /// Sets the bits of [address, address + length), which was written before. Bits that the log
    /// does not have are counted, not written.
    void mark(GuestAddress address, std::uint64_t length) noexcept;

    /// Pages that could not be marked, because the log ends before them.
    std::uint64_t pages_past_end() const noexcept { return pages_past_end_; }
    /// Whether anything was marked since the last call.
    bool take_modified() noexcept;
    /// Whether its file was cut short by the front end: what is marked since reaches nobody.
    bool lost() const noexcept { return region_->lost(); }
    /// Of the bitmap.
    std::uint64_t size() const noexcept { return region_->bytes().size(); }

  private:
    explicit DirtyLog(std::shared_ptr<const Region> region) : region_(std::move(region)) {}

    std::shared_ptr<const Region> region_;
    std::uint64_t pages_past_end_ = 0;
    bool modified_ = false;
};

}  // namespace skbtrail::device
