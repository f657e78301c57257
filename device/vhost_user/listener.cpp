#include "device/vhost_user/listener.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace skbtrail::device::vhost_user {

namespace {

UniqueFd stream_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int bind_private(int fd, const sockaddr_un& address) {
    // The mode is set as the file is made: a moment of 0755 would be enough to get in.
    const mode_t before = ::umask(0177);
    const int result = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int saved = errno;
    ::umask(before);
    errno = saved;
    return result;
}

/// Makes room at `path` if what is there is a socket that nobody listens to.
Result<> remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<>()
                               : failure(fmt::format("{}: {}", path, std::strerror(errno)));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return failure(
            fmt::format("{} exists and is no socket; choose another path for --socket", path));
    }
    const UniqueFd probe = stream_socket();
    if (!probe) {
        return failure(fmt::format("cannot make a socket: {}", std::strerror(errno)));
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        return failure(
            fmt::format("another process listens at {}: end it, or choose another path "
                        "for --socket",
                        path));
    }
    if (errno != ECONNREFUSED) {
        return failure(fmt::format("{} is there and cannot be asked whether it is in use: {}", path,
                                   std::strerror(errno)));
    }
    if (::unlink(path.c_str()) != 0) {
        return failure(
            fmt::format("cannot remove the stale socket {}: {}", path, std::strerror(errno)));
    }
    return {};
}

}  // namespace

Result<Listener> Listener::open(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return failure(fmt::format("a socket's path has 1 to {} characters, and \"{}\" has {}",
                                   sizeof address.sun_path - 1, path, path.size()));
    }
    std::memcpy(address.sun_path, path.data(), path.size());

    // Two that start at once must not take each other's new socket for a stale one: whoever looks
    // and binds holds a lock on the directory.
    std::string directory = std::filesystem::path(path).parent_path();
    if (directory.empty()) {
        directory = ".";
    }
    const UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) {
        return failure(
            fmt::format("cannot listen at {}: {}: {}", path, directory, std::strerror(errno)));
    }
    ::flock(lock.get(), LOCK_EX);

    if (auto room = remove_stale(path, address); !room) {
        return tl::make_unexpected(room.error());
    }
    UniqueFd socket = stream_socket();
    if (!socket || bind_private(socket.get(), address) != 0 || ::listen(socket.get(), 4) != 0) {
        return failure(fmt::format("cannot listen at {}: {}", path, std::strerror(errno)));
    }
    return Listener(std::move(socket), path);
}

Listener::Listener(UniqueFd socket, std::string path)
    : socket_(std::move(socket)), path_(std::move(path)) {
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0) {
        device_ = status.st_dev;
        inode_ = status.st_ino;
    }
}

Listener::~Listener() {
    struct stat status{};
    if (socket_ && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

Result<UniqueFd> Listener::accept() {
    UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        return failure(
            fmt::format("cannot accept a front end at {}: {}", path_, std::strerror(errno)));
    }
    return socket;
}

}  // namespace skbtrail::device::vhost_user
