// The virtio network device (virtio 1.3, 5.1): queue pairs between a driver and a wire.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/net/config_space.h"
#include "device/net/control_queue.h"
#include "device/net/features.h"
#include "device/net/net_queue.h"
#include "device/net/receive_queue.h"
#include "device/net/ring_events.h"
#include "device/net/steered_port.h"
#include "device/net/steering.h"
#include "device/net/transmit_queue.h"
#include "device/virtio_device.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// The most queue pairs that a device can have here.
inline constexpr unsigned max_queue_pairs = 8;

struct NetDeviceOptions {
    Features features = 0;     ///< to offer; see possible_features()
    unsigned queue_pairs = 1;  ///< 1 to max_queue_pairs
    /// In the configuration space, with feature_mac.
    ConfigSpace::Mac mac{};
    /// In the configuration space until the front end says otherwise (NET_SET_MTU), with
    /// feature_mtu: smallest_mtu to largest_mtu.
    std::uint16_t mtu = 1500;
    /// How long after a kick a transmit ring is looked at.
    std::chrono::milliseconds transmit_latency{0};
    bool always_poll = false;  ///< look at the rings all the time, instead of waiting for kicks
};

/// What surrounds a device and decides what it can offer.
struct NetSurroundings {
    /// The front end reads our configuration space.
    bool serves_config = false;
    unsigned queue_pairs = 1;
};
/// Everything that can be offered there. The device offers all of it unless told otherwise.
Features possible_features(const NetSurroundings& surroundings);
/// What the driver is offered by the front end itself there, without us.
Features foreign_features(const NetSurroundings& surroundings);

class NetDevice final : public VirtioDevice, public NetworkControl, private ControlTarget {
  public:
    /// Attaches itself to the wire. Loop, wire and events (nullptr: none) must outlive it.
    NetDevice(EventLoop& loop, Wire& wire, const NetDeviceOptions& options, RingEventLog* events,
              const FrameTap& tap);
    ~NetDevice() override;
    NetDevice(const NetDevice&) = delete;
    NetDevice& operator=(const NetDevice&) = delete;

    std::uint64_t offered_features() const override { return options_.features; }
    Result<> set_features(std::uint64_t features) override;
    unsigned queue_count() const override { return 2 * options_.queue_pairs + (control_ ? 1 : 0); }
    unsigned queue_pairs() const override { return options_.queue_pairs; }

    void set_memory(std::shared_ptr<const GuestMemory> memory) override;
    void set_log(std::shared_ptr<DirtyLog> log) override;
    void set_log_notice(CallTarget target) override;
    Result<> set_inflight(std::shared_ptr<const InflightArea> area) override;
    Result<> set_ring_size(unsigned queue, std::uint32_t size) override;
    Result<> set_ring_addresses(unsigned queue, const RingAddresses& addresses) override;
    Result<> set_ring_base(unsigned queue, std::uint32_t next_available) override;
    Result<std::uint32_t> stop_ring(unsigned queue) override;
    Result<> set_ring_kick(unsigned queue, UniqueFd fd) override;
    Result<> set_ring_call(unsigned queue, UniqueFd fd) override;
    Result<> set_ring_error(unsigned queue, UniqueFd fd) override;
    Result<> set_ring_in_band(unsigned queue, CallTarget call, CallTarget error) override;
    Result<> kick_ring(unsigned queue) override;
    Result<> set_ring_enabled(unsigned queue, bool enabled) override;

    std::uint8_t status() const override;
    void set_status(std::uint8_t status) override;
    Result<> read_config(std::uint32_t offset, std::span<std::byte> to) const override;
    Result<> write_config(std::uint32_t offset, std::span<const std::byte> from,
                          bool migration) override;
    void on_config_change(std::function<bool()> callback) override;
    void disable_queues() override;
    void reset() override;

    Result<> announce(std::span<const std::byte, 6> mac) override;
    Result<> set_mtu(std::uint64_t mtu) override;

    /// Queue by virtqueue number: even receive, odd transmit, the control queue last. Throws
    /// std::out_of_range.
    const NetQueue& queue(unsigned index) const;
    /// nullptr: the front end keeps the control queue.
    const ControlQueue* control() const noexcept { return control_.get(); }
    /// Where writes are marked; nullptr: nowhere.
    const DirtyLog* log() const noexcept { return log_.get(); }
    /// Frames that the driver's filter did not want.
    std::uint64_t filtered() const noexcept { return filtered_; }
    /// What the driver accepted; 0 before it has.
    Features negotiated_features() const noexcept { return negotiated_; }
    /// The memory that the queues work in.
    const GuestMemory& memory() const noexcept { return *memory_; }
    /// What the driver is told of the link, and without which no frame passes.
    bool link_up() const noexcept { return config_.link_up; }
    /// Returns whether the driver could be told: it reads the link's state when the front end says
    /// that the configuration space has changed.
    bool set_link(bool up);
    /// Wants the driver to tell the network where it is (5.1.6.5.4). Returns whether it could be
    /// told; fails when it did not negotiate VIRTIO_NET_F_GUEST_ANNOUNCE.
    Result<bool> ask_to_announce();

    NetQueue& queue(unsigned index);
    /// Who has a say in what the queues do; nullptr: nobody.
    void set_gate(QueueGate* gate);
    /// One line a queue, for the log.
    std::vector<std::string> describe_counters() const;

  private:
    Result<> use_pairs(unsigned pairs) override;
    Result<> set_guest_offloads(Features offloads) override;
    void announced() override;
    void set_mac(const ConfigSpace::Mac& mac) override;

    /// What a driver may change in the configuration space is as at first.
    void forget_driver_config();
    /// Tells the queues how long frames may be.
    void apply_mtu();
    /// Whether the driver could be told to read the configuration space.
    bool tell_config_changed();
    /// That a reset is needed now is told as a change of the configuration (2.1.2).
    void tell_of_broken_queues();
    /// What a driver has chosen by commands is as at first; what was negotiated is in force.
    void forget_driver();
    Result<NetQueue*> find_queue(unsigned index);
    /// The control queue's number for this driver.
    unsigned control_number() const;
    /// Hands the log to the queues, or takes it away, as negotiated.
    void apply_log();
    /// Tells the queues where chains in flight are noted.
    Result<> apply_inflight();
    std::vector<NetQueue*> queues() const;
    /// A driver that was reset waits for none of its chains.
    void forget_inflight() const;
    bool any_in_state(Virtqueue::State state) const;
    /// How many pairs, from the first on, can receive: at least 1.
    unsigned receiving_pairs() const;
    /// Before a queue stops: what is done is shown, what waits for it is dropped.
    void retire(NetQueue& queue);
    /// The pair that a frame is to arrive on.
    unsigned choose_pair(const Frame& frame) const;
    Delivery deliver(const Frame& frame);

    struct Pair {
        Pair(NetDevice& device, EventLoop& loop, unsigned number, RingEventLog* events,
             const FrameTap& tap);

        SteeredPort port;
        ReceiveQueue receive;
        TransmitQueue transmit;
    };

    Wire& wire_;
    NetDeviceOptions options_;
    Features negotiated_ = 0;
    bool features_accepted_ = false;  ///< SET_FEATURES has come, and was right
    std::shared_ptr<const GuestMemory> memory_ = std::make_shared<GuestMemory>();
    std::uint8_t status_ = 0;
    ConfigSpace config_;
    std::function<bool()> config_changed_;
    bool broken_ = false;  ///< some queue was, when the driver was last told
    std::shared_ptr<DirtyLog> log_;
    CallTarget log_notice_;
    std::shared_ptr<const InflightArea> inflight_;
    Steering steering_;
    std::vector<std::unique_ptr<Pair>> pairs_;
    unsigned active_pairs_ = 1;  ///< that the driver uses, from the first on
    ReceiveFilter filter_;
    bool filtering_ = false;  ///< the filter may refuse frames
    std::uint64_t filtered_ = 0;
    std::unique_ptr<ControlQueue> control_;
    EventLoop::Hook finish_batches_;
};

}  // namespace skbtrail::device
