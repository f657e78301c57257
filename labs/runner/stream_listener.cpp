#include "labs/runner/stream_listener.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {

StreamListener::StreamListener(const std::filesystem::path& path)
    : listening_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto text = path.string();
    if (text.size() >= sizeof address.sun_path) {
        throw CannotRun(
            fmt::format("the socket path {} is too long: set TMPDIR to a shorter one", text));
    }
    std::memcpy(address.sun_path, text.data(), text.size());
    if (!listening_ ||
        ::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0 ||
        ::listen(listening_.get(), 1) != 0) {
        throw CannotRun(
            fmt::format("cannot listen at {}: {}", text, std::generic_category().message(errno)));
    }
}

void StreamListener::accept() {
    device::UniqueFd accepted(
        ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted) {
        connection_ = std::move(accepted);
        listening_.reset();
    }
}

std::string StreamListener::read(bool& closed) {
    std::string bytes(std::size_t{256} << 10, '\0');
    const auto got = ::recv(connection_.get(), bytes.data(), bytes.size(), 0);
    closed = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

void StreamListener::acknowledge() {
    // Whether it arrives is the guest's affair: it has a deadline, and so has the run.
    [[maybe_unused]] const auto sent =
        ::send(connection_.get(), "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace skbtrail::labs
