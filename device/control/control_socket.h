// The control socket: --control PATH.
#pragma once

#include <string>

#include "device/control/commands.h"
#include "device/control/line_server.h"

namespace skbtrail::device {

/// Commands in, answers out, and a line to every client when a queue stops at a breakpoint.
class ControlSocket {
  public:
    /// Throws std::runtime_error with a sentence when nobody can listen at `path`.
    ControlSocket(EventLoop& loop, const std::string& path, NicView nic)
        : oversight_(nic.oversight),
          commands_(std::move(nic)),
          server_(
              loop, path, [this](std::string_view line) { return commands_.answer(line); },
              Commands::too_long()) {
        oversight_.on_stop(
            [this](const Debugger::Stop& stop) { server_.tell_all(stop_json(stop).dump()); });
    }
    ~ControlSocket() { oversight_.on_stop({}); }
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;

    const std::string& path() const noexcept { return server_.path(); }

  private:
    Oversight& oversight_;
    Commands commands_;
    LineServer server_;
};

}  // namespace skbtrail::device
