// What the back end says to the front end unasked: the second socket of a connection
// (vhost-user, "Back-end communication").
//
// Nothing here waits, and nothing grows: what is to be said is a set of flags (which rings to call,
// which are broken, whether the configuration changed), and a flag that is set already is not set
// twice. A front end that does not read its messages, or does not acknowledge them, is told less
// often, not less.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/result.h"
#include "device/unique_fd.h"
#include "device/vhost_user/protocol.h"

namespace skbtrail::device::vhost_user {

class BackEndChannel {
  public:
    /// Takes the front end's socket. `acknowledged` (REPLY_ACK): each message asks for an
    /// acknowledgement and the next one waits for it, so that the front end never has more than
    /// one to deal with. Fails when it is no stream socket.
    static Result<std::shared_ptr<BackEndChannel>> adopt(UniqueFd socket, EventLoop& loop,
                                                         bool acknowledged);

    BackEndChannel(const BackEndChannel&) = delete;
    BackEndChannel& operator=(const BackEndChannel&) = delete;
    ~BackEndChannel() = default;

    /// VRING_CALL: buffers of this ring (0 to 255) were used. False when the channel is broken.
    bool call(unsigned ring);
    /// VRING_ERR: this ring is broken.
    bool error(unsigned ring);
    /// CONFIG_CHANGE_MSG: the front end should read the configuration again.
    bool config_changed();

    /// Whether the front end has closed its end, or sent what is no acknowledgement.
    bool broken() const noexcept { return !socket_; }
    /// Messages that went out whole.
    std::uint64_t sent() const noexcept { return sent_; }
    /// Events that were told together with an earlier one.
    std::uint64_t merged() const noexcept { return merged_; }

  private:
    static constexpr std::size_t max_rings = 256;

    BackEndChannel(UniqueFd socket, EventLoop& loop, bool acknowledged);
    bool note(std::bitset<max_rings>& flags, unsigned ring);
    /// Sends what there is to say, as far as the socket takes it.
    void pump();
    /// The next message into out_; false when there is none.
    bool compose();
    bool flush();
    void ready(std::uint32_t events);
    void read_acknowledgements();
    void break_off(const std::string& why);
    void close();

    UniqueFd socket_;
    EventLoop::FdWatch watch_;  // after the socket: goes first
    bool acknowledged_;
    bool config_changed_ = false;
    std::bitset<max_rings> calls_;
    std::bitset<max_rings> errors_;
    unsigned last_ring_ = max_rings - 1;  ///< that a message was about
    std::vector<std::byte> out_;          ///< the part of a message that the socket has not taken
    bool waiting_for_acknowledgement_ = false;
    std::array<std::byte, sizeof(Header) + sizeof(std::uint64_t)> in_{};
    std::size_t in_have_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t merged_ = 0;
};

}  // namespace skbtrail::device::vhost_user
