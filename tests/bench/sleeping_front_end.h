// A front end of our own that sleeps: one pair of split rings, one frame at a time, and nothing
// done unless asked. testpmd's never sleeps, so it cannot tell what idleness and waking cost.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/unique_fd.h"
#include "device/vhost_user/protocol.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::bench {

class SleepingFrontEnd {
  public:
    /// Connects to `path`, negotiates VERSION_1 and nothing else, gives all receive buffers. Throws
    /// std::runtime_error with a sentence.
    explicit SleepingFrontEnd(const std::string& path);

    /// Sends a 64-byte frame with a kick, and sleeps until a frame has come back and its call.
    /// How long that took, from before the kick; none when nothing came within a second.
    std::optional<std::chrono::nanoseconds> round_trip();

  private:
    static constexpr std::uint32_t ring_size = 256;
    static constexpr std::size_t queues = 2;  ///< receive, transmit

    /// A ring with the descriptors that wake its two sides.
    struct Queue {
        explicit Queue(device::test::GuestRam& ram);
        device::test::FakeDriver driver;
        device::UniqueFd kick;
        device::UniqueFd call;
    };

    void send(device::vhost_user::Request request, std::span<const std::byte> payload,
              const std::vector<int>& fds = {});
    template <typename T>
    void send_value(device::vhost_user::Request request, const T& value,
                    const std::vector<int>& fds = {});
    void share_memory();
    void start(std::uint32_t index);
    /// Returns when the back end has done all that it was sent.
    void wait_done();
    void offer_buffer(device::GuestAddress address);

    device::UniqueFd socket_;
    device::test::GuestRam ram_;
    std::array<Queue, queues> queue_;
    device::GuestAddress frame_;
    std::vector<device::GuestAddress> buffer_of_head_;
};

}  // namespace skbtrail::bench
