// A wire that plays a script (script_file.h): it stands between the guest and another wire, its
// uplink, lets the frames of both pass, watches them, and adds frames of its own. Without an
// uplink it is alone with the guest.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/wire/delivery_queue.h"
#include "device/wire/script_file.h"
#include "device/wire/script_player.h"
#include "device/wire/spec.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class ScriptWire final : public Wire {
  public:
    using MakeUplink = std::function<std::unique_ptr<Wire>(const std::string& spec)>;

    static std::span<const WireOption> options();

    /// Reads the script and makes its uplink. Throws std::invalid_argument for an option that
    /// makes no sense, ScriptError for a script that cannot be played, and what `make_uplink`
    /// throws.
    ScriptWire(const WireOptions& options, EventLoop& loop, const MakeUplink& make_uplink);
    /// `uplink` may be null.
    ScriptWire(Script script, EventLoop& loop, std::unique_ptr<Wire> uplink, bool judges = false);
    /// Says in the log what the script did and what did not happen.
    ~ScriptWire() override;

    void attach(Deliver deliver) override;
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_receive_stopped() override;
    void on_guest_left() override;
    WireNeeds needs() const override { return uplink_ ? uplink_->needs() : WireNeeds{}; }
    /// Its own, and what the uplink dropped or keeps.
    WireCounters counters() const override;
    std::string describe() const override;
    std::string complaint() const override;

    std::vector<StepReport> report() const { return player_.report(); }

  private:
    ScriptWire(const Script& script, const WireOptions& options, EventLoop& loop,
               const MakeUplink& make_uplink);

    std::string file_;
    bool judges_;
    WireCounters::Direction from_guest_;
    DeliveryQueue to_guest_;  ///< of the script's own frames; those of the uplink pass, or do not
    ScriptPlayer player_;
    std::unique_ptr<Wire> uplink_;
};

}  // namespace skbtrail::device
