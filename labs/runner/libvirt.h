// libvirt's C interface with owners: a connection, a domain, and the event loop that both need.
//
// Threads: the event loop runs in a thread of its own for as long as an EventLoop exists; libvirt
// calls back from it. Every other call may block (starting a domain takes the best part of a
// second, more when capabilities are probed): run.cpp makes them in workers with a deadline.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <libvirt/libvirt.h>

namespace skbtrail::labs {

/// libvirt's default event loop, run in a thread. One per process, made before any connection is
/// opened: the embedded driver refuses to work without one.
class EventLoop {
  public:
    /// Throws CannotRun when libvirt cannot be set up.
    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

  private:
    struct State;
    std::shared_ptr<State> state_;
    std::thread thread_;
};

/// Version of the libvirt that this process runs with, "11.3.0".
std::string libvirt_version();

/// Turns libvirt's packed number (major * 1000000 + minor * 1000 + release) into "11.3.0".
std::string format_libvirt_version(unsigned long packed);

class Domain;

/// A connection to a hypervisor.
class Hypervisor {
  public:
    /// Opens `uri`, e.g. "qemu:///embed?root=/tmp/x". Throws CannotRun with libvirt's reason.
    explicit Hypervisor(const std::string& uri);

    /// Version of the QEMU that the driver would run, packed as libvirt does.
    unsigned long hypervisor_version() const;
    /// Creates and starts a transient domain from its XML. Throws CannotRun with libvirt's reason.
    Domain start(const std::string& xml) const;
    /// Takes a guest up again that Domain::keep() put into `file`, which stays as it is. `xml`: the
    /// same machine, called `name`, in other places. Throws CannotRun with libvirt's reason.
    Domain resume(const std::filesystem::path& file, const std::string& name,
                  const std::string& xml) const;

  private:
    struct Close {
        void operator()(virConnectPtr connection) const;
    };
    std::shared_ptr<std::remove_pointer_t<virConnectPtr>> connection_;
};

/// A running transient domain. Destroyed, the machine ends.
class Domain {
  public:
    Domain(Domain&&) noexcept = default;
    Domain& operator=(Domain&&) noexcept = default;
    ~Domain();

    /// Puts the machine as it stands into `file`, and ends it. Throws CannotRun with libvirt's
    /// reason.
    void keep(const std::filesystem::path& file);
    /// Ends the machine at once. Does nothing when it has ended already. Never throws: what is
    /// left then, the reaper removes.
    void destroy() noexcept;
    /// Whether libvirt still sees it running.
    bool running() const noexcept;

  private:
    friend class Hypervisor;
    struct Free {
        void operator()(virDomainPtr domain) const;
    };
    explicit Domain(virDomainPtr domain) : domain_(domain) {}

    std::unique_ptr<std::remove_pointer_t<virDomainPtr>, Free> domain_;
};

}  // namespace skbtrail::labs
