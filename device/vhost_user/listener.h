// The socket file that front ends connect to.
#pragma once

#include <string>

#include <sys/types.h>

#include "device/result.h"
#include "device/unique_fd.h"

namespace skbtrail::device::vhost_user {

/// A listening Unix socket, mode 0600, whose file goes when the listener goes.
class Listener {
  public:
    /// Listens at `path`. A socket file that nobody listens to any more (its process was killed)
    /// is replaced; one that is in use, or a file that is no socket, is a failure.
    static Result<Listener> open(const std::string& path);

    Listener(Listener&& other) noexcept = default;
    Listener& operator=(Listener&& other) = delete;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    int fd() const noexcept { return socket_.get(); }
    const std::string& path() const noexcept { return path_; }
    /// The next connection, non-blocking; an empty descriptor when there is none (any more).
    Result<UniqueFd> accept();

  private:
    Listener(UniqueFd socket, std::string path);

    UniqueFd socket_;
    std::string path_;
    // What we made, to remove that and not another one's.
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace skbtrail::device::vhost_user
