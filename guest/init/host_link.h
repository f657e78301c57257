// PID 1's line to the host: the stream over the virtio-serial port, and the console when there is
// no stream.
#pragma once

#include <string>

#include "guest/stream.h"

namespace skbtrail::guest {

/// Sends messages. A stream that breaks is reported on the console, once, and is_open() turns
/// false: the job then ends, as nobody would learn of it.
class HostLink {
  public:
    /// Looks for the port of the stream and opens it; gives the kernel some seconds to find it.
    /// Throws Error when there is none.
    HostLink();
    ~HostLink();
    HostLink(const HostLink&) = delete;
    HostLink& operator=(const HostLink&) = delete;

    void send(const Message& message);
    /// A phase, at the present time.
    void phase(std::string_view name);
    void notice(const std::string& message);
    /// To the host and to the console.
    void error(const std::string& message);
    /// A file under `name`. One that is not there or cannot be sent is a notice.
    void file(const std::string& path, const std::string& name, const std::string& step = {});
    /// Tells the host that the job may come, and writes the archive that it sends, however long
    /// that takes, to the file `path`. Throws Error when what comes is none.
    void receive_job(const std::string& path);
    /// The last message; waits until the host's side has taken everything.
    void end(int status);

    bool is_open() const { return writer_.failure() == 0; }

  private:
    void check();
    std::string receive(std::size_t most);

    int port_;
    StreamWriter writer_;
    bool complained_ = false;
};

/// One line on the console, which the host keeps as the guest's log.
void to_console(const std::string& message);

}  // namespace skbtrail::guest
