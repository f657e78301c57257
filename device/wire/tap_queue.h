// One queue of a tap interface: a descriptor of /dev/net/tun.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "device/unique_fd.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// What the kernel leaves undone in the frames that it gives us, and takes undone from us.
struct TapOffloads {
    bool udp_segments = false;  ///< USO, from Linux 6.2 on; all else every kernel can do
};

/// Reads and writes frames with the virtio-net header before them (IFF_VNET_HDR), so that
/// checksums and segments stay undone between the guest and the kernel. Never blocks.
class TapQueue {
  public:
    /// Opens a queue of the interface `name`, which is made when there is none (a name with "%d"
    /// gets a number; an empty one is the kernel's choice) and goes with its last queue unless it
    /// is persistent. Throws std::runtime_error with a sentence.
    static TapQueue open(const std::string& name, bool one_of_several);

    int fd() const noexcept { return fd_.get(); }
    /// The interface's name, as the kernel has it.
    const std::string& name() const noexcept { return name_; }
    const TapOffloads& offloads() const noexcept { return offloads_; }

    /// The next frame of the kernel, valid until the next call; none when there is none now.
    std::optional<Frame> read();
    /// False when the kernel does not take it: the interface is down, or its queue is full.
    bool write(const Frame& frame) noexcept;

  private:
    TapQueue() = default;

    UniqueFd fd_;
    std::string name_;
    TapOffloads offloads_;
    std::vector<std::byte> buffer_;
};

}  // namespace skbtrail::device
