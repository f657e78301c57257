// A front end and a driver in one: what a busy guest does to a NIC, without a guest.
//
// It has memory, one receive and one transmit ring, and frames with a number and a pattern in
// them. The NIC's wire reflects them, with faults; the guest counts what came back, and how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "device/unique_fd.h"
#include "device/vhost_user/protocol.h"
#include "tests/hostile/soak/ring.h"
#include "tests/unit/device/guest_ram.h"
#include "tests/unit/device/net_bench.h"

namespace skbtrail::hostile {

/// What became of the frames, since the start.
struct Tally {
    std::uint64_t sent = 0;
    std::uint64_t intact = 0;     ///< came back as they went
    std::uint64_t again = 0;      ///< came back intact once more, or late
    std::uint64_t damaged = 0;    ///< came back, and were not what was sent
    std::uint64_t calls = 0;      ///< interrupts, of both queues
    std::uint64_t visits = 0;     ///< connections, this one included
    std::uint64_t broken = 0;     ///< rings that the NIC gave up, for no lie of ours
    std::uint64_t held_send = 0;  ///< descriptors of the transmit ring with the NIC now
    std::uint64_t held_give = 0;  ///< likewise of the receive ring
};

class Guest {
  public:
    /// Counts on in `tally`, of which it is one visit. Throws std::runtime_error when the NIC does
    /// not answer as it should.
    Guest(const std::string& socket, Tally& tally, RingFormat format);
    /// Leaves, as a front end that is killed.
    ~Guest() = default;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// Takes what was returned, gives fresh receive buffers, sends at most `frames` more. Never
    /// waits for interrupts: faults may have lost them.
    void work(std::size_t frames);
    /// Stops a ring and starts it where it stopped, as a driver that is reset.
    void restart(unsigned queue);

  private:
    static constexpr std::uint32_t ring_size = 256;
    static constexpr std::uint32_t buffer_bytes = 2048;

    void send_message(device::vhost_user::Request request, std::span<const std::byte> payload,
                      int fd = -1);
    template <typename Payload>
    void say(device::vhost_user::Request request, const Payload& payload, int fd = -1);
    std::vector<std::byte> reply();
    void acknowledged();
    void start_ring(unsigned queue, std::uint32_t base);
    void take_returned();
    void give_buffers();
    void judge(std::span<const std::byte> frame);
    Ring& ring(unsigned queue) { return queue == 0 ? receive_ : transmit_; }

    Tally& tally_;
    device::UniqueFd socket_;
    device::test::GuestRam ram_;
    Ring receive_;
    Ring transmit_;
    device::test::QueueEvents events_[2];
    /// Buffers that are free, and the one behind each head that is with the NIC.
    std::vector<device::GuestAddress> free_receive_;
    std::vector<device::GuestAddress> free_transmit_;
    std::map<std::uint32_t, device::GuestAddress> given_;
    std::map<std::uint32_t, device::GuestAddress> sending_;
    std::set<std::uint64_t> expected_;  ///< numbers of frames that did not come back yet
    std::uint64_t next_number_ = 1;
};

}  // namespace skbtrail::hostile
