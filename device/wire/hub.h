// A wire to other guests on this machine: together their NICs are one switch.
//
// Each NIC is connected to every other (hub_meeting.h), and learns which of them has which
// station. A frame for a known station goes to its NIC alone, others go to all. Checksums and
// segments stay undone between the guests. A neighbour that does not keep up loses frames, which
// are counted here; it does not hold up the others.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/accept_watch.h"
#include "device/event_loop.h"
#include "device/unique_fd.h"
#include "device/wire/delivery_queue.h"
#include "device/wire/hub_mac_table.h"
#include "device/wire/hub_meeting.h"
#include "device/wire/spec.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class HubWire final : public Wire {
  public:
    static std::span<const WireOption> options();

    /// Throws std::invalid_argument for an option that makes no sense, std::runtime_error when the
    /// hub cannot be joined.
    HubWire(const WireOptions& options, EventLoop& loop);

    void attach(Deliver deliver) override { to_guest_.attach(std::move(deliver)); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_guest_left() override { to_guest_.clear(); }
    bool takes_offloads() const override { return true; }
    WireCounters counters() const override;
    std::string describe() const override { return "hub " + path_; }

    /// NICs that are connected and have said that they are ones.
    std::size_t neighbours() const;

  private:
    /// Messages of one neighbour in a turn of the loop.
    static constexpr std::size_t turn_budget = 64;

    struct Neighbour {
        UniqueFd socket;
        EventLoop::FdWatch watch;
        bool greeted = false;  ///< its greeting has come
        bool reading = true;
    };
    using Port = HubMacTable::Port;

    void accept();
    void add(UniqueFd socket);
    void remove(Port port);
    /// Messages of a neighbour, as far as the turn's budget lasts and the guest keeps up.
    void read(Port port, std::uint32_t events);
    /// False when the neighbour is gone, or no NIC.
    bool handle(Port port, Neighbour& neighbour, std::span<std::byte> message);
    bool send(Neighbour& neighbour, const Frame& frame);
    void set_reading(Neighbour& neighbour, bool on);

    EventLoop& loop_;
    std::string path_;
    HubMeeting meeting_;
    AcceptWatch newcomers_;
    std::map<Port, Neighbour> neighbours_;
    Port next_port_ = 1;
    HubMacTable stations_;
    std::vector<std::byte> message_;
    WireCounters::Direction from_guest_;
    DeliveryQueue to_guest_;
    std::uint64_t malformed_ = 0;
};

}  // namespace skbtrail::device
