// The NIC's control socket, as far as a run uses it: what is held, and letting it go.
// docs/nic.md ("The control protocol") describes the protocol.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "device/unique_fd.h"

namespace skbtrail::labs {

/// What the NIC holds back.
struct NicHolds {
    std::vector<unsigned> transmit;  ///< queues whose chains wait for resume()
    bool frames = false;             ///< a frame for the guest waits for release_frame()
    std::vector<unsigned> queues;    ///< all transmit queues, waiting or not
};

/// Reads the NIC's answer to a command about its holds. Throws CannotRun when the NIC refused or
/// said something else.
NicHolds parse_holds(std::string_view answer);

/// A connection to the control socket. For one thread.
class NicControl {
  public:
    /// Connects. Throws CannotRun when nobody listens at `socket`.
    explicit NicControl(const std::filesystem::path& socket);

    /// All frames to the guest wait from now on; what is held at this moment. May be said again.
    NicHolds hold_frames();
    /// Lets one frame go.
    NicHolds release_frame();
    /// A queue takes nothing more from the guest. May be said again.
    NicHolds pause(unsigned queue);
    /// The queue takes what the guest has put there, at once, and goes on.
    NicHolds resume(unsigned queue);

  private:
    /// Sends a line and returns the answer. Throws CannotRun when the NIC has ended.
    std::string ask(const std::string& request);

    device::UniqueFd socket_;
    std::string text_;  ///< received, not a whole line yet
};

}  // namespace skbtrail::labs
