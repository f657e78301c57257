// Serves front ends, one at a time, for as long as the NIC lives.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "device/accept_watch.h"
#include "device/event_loop.h"
#include "device/unique_fd.h"
#include "device/vhost_user/connector.h"
#include "device/vhost_user/listener.h"
#include "device/vhost_user/message_socket.h"
#include "device/vhost_user/session.h"
#include "device/virtio_device.h"

namespace skbtrail::device::vhost_user {

/// One connected front end: its socket and its session.
class Connection {
  public:
    /// `on_end` is called once, from the loop, with a sentence about why, or an empty one when
    /// the front end just left. It may destroy the connection.
    Connection(EventLoop& loop, UniqueFd socket, VirtioDevice& device, NetworkControl& network,
               SessionOptions options, std::function<void(std::string)> on_end);

    const Session& session() const noexcept { return session_; }
    /// Whether the front end has closed its end, noticed or not.
    bool hung_up() const noexcept;

  private:
    void readable();

    MessageSocket socket_;
    Session session_;
    std::function<void(std::string)> on_end_;
    EventLoop::FdWatch watch_;
};

/// Serves front ends that come to a listening socket, of which a second one while there is one is
/// turned away; or goes to where a front end listens, again each time that the connection ends.
class Server {
  public:
    /// `on_left` is called after a front end has left and the device was reset.
    Server(EventLoop& loop, Listener& listener, VirtioDevice& device, NetworkControl& network,
           SessionOptions options, std::function<void()> on_left);

    /// Connects to the socket at `path`. Throws std::invalid_argument when it cannot be one's.
    Server(EventLoop& loop, const std::string& path, VirtioDevice& device, NetworkControl& network,
           SessionOptions options, std::function<void()> on_left);

    /// Whether a front end is connected.
    bool serving() const noexcept { return connection_ != nullptr; }
    /// The front end's conversation; nullptr when there is none.
    const Session* session() const noexcept {
        return connection_ ? &connection_->session() : nullptr;
    }
    /// Leaves the front end. Not to be called from within its messages. Returns whether there was
    /// one.
    bool disconnect();

  private:
    void accept();
    void serve(UniqueFd socket);
    void ended(const std::string& reason);

    EventLoop& loop_;
    Listener* listener_ = nullptr;  ///< nullptr: connector_ is there
    VirtioDevice& device_;
    NetworkControl& network_;
    SessionOptions options_;
    std::function<void()> on_left_;
    std::unique_ptr<Connection> connection_;
    std::optional<Connector> connector_;
    std::optional<AcceptWatch> newcomers_;  ///< at the listener
};

}  // namespace skbtrail::device::vhost_user
