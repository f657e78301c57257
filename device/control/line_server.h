// A Unix socket on which clients say lines and are answered in lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "device/accept_watch.h"
#include "device/event_loop.h"
#include "device/unique_fd.h"
#include "device/vhost_user/listener.h"

namespace skbtrail::device {

/// Everything about a client is bounded. One that says a longer line than allowed is told so and
/// sent away; one that does not read its answers is not listened to until it does, and loses what
/// is told to everybody meanwhile.
class LineServer {
  public:
    static constexpr std::size_t most_clients = 16;
    static constexpr std::size_t longest_line = std::size_t{64} << 10;
    /// Answers that wait for a client: beyond that it is not listened to.
    static constexpr std::size_t most_waiting = std::size_t{1} << 20;

    /// Answers a line (without its end) with a line (without one).
    using Answer = std::function<std::string(std::string_view line)>;

    /// Listens at `path`, mode 0600. `too_long` is the answer to a line that is. Throws
    /// std::runtime_error with a sentence.
    LineServer(EventLoop& loop, const std::string& path, Answer answer, std::string too_long);
    LineServer(const LineServer&) = delete;
    LineServer& operator=(const LineServer&) = delete;

    /// Says a line to all clients.
    void tell_all(std::string_view line);
    std::size_t clients() const noexcept { return clients_.size(); }
    /// Lines that tell_all() could not say to somebody.
    std::uint64_t untold() const noexcept { return untold_; }
    const std::string& path() const noexcept { return listener_.path(); }

  private:
    struct Client {
        UniqueFd socket;
        std::string in;
        std::string out;
        bool leaving = false;      ///< goes when it has read its last answer
        EventLoop::FdWatch watch;  // after socket: goes first
    };
    using ClientAt = std::list<Client>::iterator;

    void accept();
    void ready(ClientAt client, std::uint32_t events);
    /// False when the client is gone.
    bool receive(Client& client);
    void answer_lines(Client& client);
    bool send(Client& client);
    static void set_interest(Client& client);

    EventLoop& loop_;
    vhost_user::Listener listener_;
    Answer answer_;
    std::string too_long_;
    std::uint64_t untold_ = 0;
    std::list<Client> clients_;
    AcceptWatch newcomers_;
};

}  // namespace skbtrail::device
