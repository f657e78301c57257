// The whole NIC: a wire, the device, the socket, and what is recorded of them.
#pragma once

#include <memory>
#include <optional>

#include "device/capture.h"
#include "device/control/control_socket.h"
#include "device/control/oversight.h"
#include "device/event_loop.h"
#include "device/faults/fault.h"
#include "device/faults/faulty_wire.h"
#include "device/net/net_device.h"
#include "device/net/ring_events.h"
#include "device/options.h"
#include "device/parent_watch.h"
#include "device/unique_fd.h"
#include "device/vhost_user/server.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class Nic {
  public:
    /// Listens when this returns. `parent` is getppid() at the start of the program. Throws
    /// std::runtime_error (std::invalid_argument for a bad --wire) with a sentence.
    Nic(const NicOptions& options, int parent);
    /// Removes the socket, closes the files, logs what went through.
    ~Nic();
    Nic(const Nic&) = delete;
    Nic& operator=(const Nic&) = delete;

    /// Until SIGTERM, SIGINT, the parent's end or (with --once) the front end's.
    void run();
    /// What the wire missed, if it was told to judge (Wire::complaint).
    std::string complaint() const { return wire_->complaint(); }

  private:
    void plug_in(const NicOptions& options);
    void make_device(const NicOptions& options);
    void make_server(const NicOptions& options);
    void oversee(const NicOptions& options);
    void confine(const NicOptions& options);
    void catch_signals();
    void report() const;

    EventLoop loop_;
    std::unique_ptr<FaultSet> faults_;
    std::unique_ptr<Wire> wire_;
    FaultyWire* faulty_wire_ = nullptr;  ///< wire_, when frames may have faults
    std::unique_ptr<Capture> capture_;
    std::unique_ptr<RingEventLog> events_;
    std::unique_ptr<NetDevice> device_;
    std::optional<vhost_user::Listener> listener_;
    std::unique_ptr<vhost_user::Server> server_;
    std::unique_ptr<Oversight> oversight_;
    std::unique_ptr<ControlSocket> control_;
    UniqueFd signals_;
    EventLoop::FdWatch signals_watch_;
    std::optional<ParentWatch> parent_;
    EventLoop::Hook flush_;
};

}  // namespace skbtrail::device
