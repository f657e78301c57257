// Our end of the guest's stream: a socket that QEMU connects to when it starts.
//
// We listen and QEMU connects, not the other way round: the port is connected before the guest's
// first instruction, and nothing the guest says is lost.
#pragma once

#include <filesystem>
#include <string>

#include "device/unique_fd.h"

namespace skbtrail::labs {

class StreamListener {
  public:
    /// Listens at `path`. Throws CannotRun.
    explicit StreamListener(const std::filesystem::path& path);

    /// Readable when QEMU connects, then when the guest has said something or QEMU has gone.
    int fd() const { return connection_ ? connection_.get() : listening_.get(); }
    bool connected() const { return static_cast<bool>(connection_); }
    /// To be called when fd() is readable and nothing is connected.
    void accept();
    /// What has arrived. Sets `closed` when QEMU has gone.
    std::string read(bool& closed);
    /// Answers the guest's last message: it waits for that before it switches itself off.
    void acknowledge();

  private:
    device::UniqueFd listening_;
    device::UniqueFd connection_;
};

}  // namespace skbtrail::labs
