// What a transport can ask of a virtio device.
//
// The vhost-user connection turns messages into calls of this interface; a device implements it
// and knows nothing of messages. Whatever fails says so in a sentence, and has changed nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "device/memory/dirty_log.h"
#include "device/memory/guest_memory.h"
#include "device/result.h"
#include "device/unique_fd.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/notifier.h"
#include "device/virtqueue/ring_memory.h"

namespace skbtrail::device {

class VirtioDevice {
  public:
    virtual ~VirtioDevice() = default;

    /// Feature bits (VIRTIO_F_*, VIRTIO_NET_F_*) that the device can do. Bit 30, which vhost-user
    /// keeps for itself, is never among them.
    virtual std::uint64_t offered_features() const = 0;
    /// What the driver accepted. Refused while a queue runs and the set would change.
    /// VHOST_F_LOG_ALL alone may come and go at any time.
    virtual Result<> set_features(std::uint64_t features) = 0;
    /// Number of virtqueues; queues are named by index below it.
    virtual unsigned queue_count() const = 0;
    /// For a network device, pairs of them.
    virtual unsigned queue_pairs() const = 0;

    virtual void set_memory(std::shared_ptr<const GuestMemory> memory) = 0;
    /// Where to mark what the device writes to that memory while VHOST_F_LOG_ALL is negotiated.
    virtual void set_log(std::shared_ptr<DirtyLog> log) = 0;
    /// Told, after a while, that there are new marks.
    virtual void set_log_notice(CallTarget target) = 0;

    /// Where to note the chains that are out, for the device that comes after this one if it is
    /// killed; nullptr: nowhere. Refused while a queue runs.
    virtual Result<> set_inflight(std::shared_ptr<const InflightArea> area) = 0;

    virtual Result<> set_ring_size(unsigned queue, std::uint32_t size) = 0;
    virtual Result<> set_ring_addresses(unsigned queue, const RingAddresses& addresses) = 0;
    virtual Result<> set_ring_base(unsigned queue, std::uint32_t next_available) = 0;
    /// Stops the queue; returns the index that it would go on at.
    virtual Result<std::uint32_t> stop_ring(unsigned queue) = 0;
    /// An empty descriptor is a wish of its own: see Virtqueue.
    virtual Result<> set_ring_kick(unsigned queue, UniqueFd fd) = 0;
    virtual Result<> set_ring_call(unsigned queue, UniqueFd fd) = 0;
    virtual Result<> set_ring_error(unsigned queue, UniqueFd fd) = 0;
    /// Both at once, without descriptors; descriptors that come later are preferred.
    virtual Result<> set_ring_in_band(unsigned queue, CallTarget call, CallTarget error) = 0;
    /// The driver's kick, without a descriptor.
    virtual Result<> kick_ring(unsigned queue) = 0;
    virtual Result<> set_ring_enabled(unsigned queue, bool enabled) = 0;

    /// The device status field (virtio 1.3, 2.1). Writing 0 stops all queues.
    virtual std::uint8_t status() const = 0;
    virtual void set_status(std::uint8_t status) = 0;

    /// Device configuration space (virtio 1.3, 2.5). Fails when the range is outside.
    virtual Result<> read_config(std::uint32_t offset, std::span<std::byte> to) const = 0;
    /// `migration`: the front end restores a state, so read-only fields may be set as well.
    virtual Result<> write_config(std::uint32_t offset, std::span<const std::byte> from,
                                  bool migration) = 0;

    /// Whom to tell when the configuration space has changed by itself; an empty function: nobody.
    /// It says whether the front end will hear of it.
    virtual void on_config_change(std::function<bool()> callback) = 0;

    /// Stops and disables all queues; everything else stays (RESET_OWNER).
    virtual void disable_queues() = 0;
    /// To the state before any front end.
    virtual void reset() = 0;
};

/// What a network device can be asked besides.
class NetworkControl {
  public:
    virtual ~NetworkControl() = default;
    /// Tells the wire where this guest is now, after a migration (SEND_RARP).
    virtual Result<> announce(std::span<const std::byte, 6> mac) = 0;
    /// The MTU that the front end tells the driver (NET_SET_MTU).
    virtual Result<> set_mtu(std::uint64_t mtu) = 0;
};

}  // namespace skbtrail::device
