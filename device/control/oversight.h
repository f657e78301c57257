// Everybody who has a say in what the card does, put together: the debugger, the faults of queues.
#pragma once

#include <functional>

#include "device/control/debugger.h"
#include "device/control/gate_chain.h"
#include "device/event_loop.h"
#include "device/faults/fault.h"
#include "device/faults/queue_faults.h"
#include "device/net/net_device.h"

namespace skbtrail::device {

/// Stands in the queues' way only while somebody has something to say.
class Oversight {
  public:
    /// All of them must outlive it.
    Oversight(EventLoop& loop, NetDevice& device, FaultSet& faults);
    ~Oversight();
    Oversight(const Oversight&) = delete;
    Oversight& operator=(const Oversight&) = delete;

    Debugger& debugger() noexcept { return debugger_; }
    FaultSet& faults() noexcept { return faults_; }
    NetDevice& device() const noexcept { return device_; }
    /// Queues of frames; a control queue, behind them, is nobody's to hold.
    unsigned data_queues() const noexcept { return 2 * device_.queue_pairs(); }
    void on_stop(std::function<void(const Debugger::Stop&)> told) { told_ = std::move(told); }

    /// To be called after the debugger was told something, or faults were added or removed.
    void changed();

  private:
    NetDevice& device_;
    FaultSet& faults_;
    std::function<void(const Debugger::Stop&)> told_;
    Debugger debugger_;
    QueueFaults queue_faults_;
    GateChain chain_;
};

}  // namespace skbtrail::device
