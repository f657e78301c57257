#include "device/wire/hub_meeting.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

constexpr int most_waiting = 64;  // connections that are not accepted yet
constexpr std::string_view suffix = ".nic";

[[noreturn]] void cannot_join(const std::string& path, const std::string& why) {
    throw std::runtime_error(fmt::format("--wire hub: cannot join \"{}\": {}", path, why));
}

[[noreturn]] void cannot_join(const std::string& path) {
    cannot_join(path, std::generic_category().message(errno));
}

UniqueFd make_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// An address by the directory's descriptor: its path may be longer than an address can say.
sockaddr_un address_of(int directory, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    return address;
}

bool call(int (*what)(int, const sockaddr*, socklen_t), int fd, const sockaddr_un& address) {
    return what(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

HubMeeting HubMeeting::join(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        cannot_join(path);
    }
    HubMeeting meeting;
    meeting.directory_.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!meeting.directory_) {
        cannot_join(path);
    }
    // One after the other: of two that come at once one finds the other, and only one.
    if (::flock(meeting.directory_.get(), LOCK_EX) != 0) {
        cannot_join(path);
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
        const std::string name = entry.path().filename();
        if (!name.ends_with(suffix)) {
            continue;
        }
        UniqueFd peer = make_socket();
        if (!peer) {
            cannot_join(path);
        }
        if (call(&::connect, peer.get(), address_of(meeting.directory_.get(), name))) {
            meeting.connections_.push_back(std::move(peer));
        } else if (errno == ECONNREFUSED) {
            ::unlinkat(meeting.directory_.get(), name.c_str(), 0);  // its NIC is no more
        } else if (errno != ENOENT) {
            cannot_join(path, fmt::format("{}: {}", name, std::generic_category().message(errno)));
        }
    }
    if (error) {
        cannot_join(path, error.message());
    }
    meeting.listener_ = make_socket();
    if (!meeting.listener_) {
        cannot_join(path);
    }
    const mode_t before = ::umask(0177);
    for (unsigned attempt = 0;; ++attempt) {
        // A process may have several; another name space may have the same process number.
        meeting.name_ = fmt::format("{}-{}{}", ::getpid(), attempt, suffix);
        if (call(&::bind, meeting.listener_.get(),
                 address_of(meeting.directory_.get(), meeting.name_))) {
            break;
        }
        if (errno != EADDRINUSE) {
            const int saved = errno;
            ::umask(before);
            errno = saved;
            meeting.name_.clear();
            cannot_join(path);
        }
    }
    ::umask(before);
    if (::listen(meeting.listener_.get(), most_waiting) != 0) {
        cannot_join(path);
    }
    ::flock(meeting.directory_.get(), LOCK_UN);
    return meeting;
}

HubMeeting::~HubMeeting() {
    if (directory_ && !name_.empty()) {
        ::unlinkat(directory_.get(), name_.c_str(), 0);
    }
}

}  // namespace skbtrail::device
