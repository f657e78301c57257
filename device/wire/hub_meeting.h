// How the NICs of a hub find each other: a directory in which each has a socket.
//
// Nobody serves the others, so that nobody's end is anybody else's. Who comes makes its own
// socket in the directory, and connects to all that are there; who comes later connects to it.
// From then on nothing of the file system is needed. A socket that nobody listens to is left
// over, and removed.
#pragma once

#include <string>
#include <vector>

#include "device/unique_fd.h"

namespace skbtrail::device {

class HubMeeting {
  public:
    /// Makes the directory `path` (mode 0700) if there is none, and joins who is there. Throws
    /// std::runtime_error with a sentence.
    static HubMeeting join(const std::string& path);
    /// Removes the socket.
    ~HubMeeting();
    HubMeeting(HubMeeting&&) noexcept = default;
    HubMeeting& operator=(HubMeeting&&) = delete;

    /// Where later ones connect: non-blocking, SOCK_SEQPACKET.
    int listener() const noexcept { return listener_.get(); }
    /// The connections that were made; to be taken once.
    std::vector<UniqueFd> take_connections() { return std::move(connections_); }

  private:
    HubMeeting() = default;

    UniqueFd directory_;
    UniqueFd listener_;
    std::string name_;  ///< of our socket in the directory
    std::vector<UniqueFd> connections_;
};

}  // namespace skbtrail::device
