#include "tests/dpdk/telemetry.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace skbtrail::dpdk {
namespace {

constexpr std::size_t longest_answer = 64 * 1024;
constexpr timeval answer_limit{.tv_sec = 5, .tv_usec = 0};

bool try_connect(int socket, const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string text = path.string();
    if (text.size() >= sizeof address.sun_path) {
        throw std::runtime_error(fmt::format("the socket path {} is too long", text));
    }
    std::memcpy(address.sun_path, text.data(), text.size());
    return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Telemetry::Telemetry(const std::filesystem::path& path, std::chrono::milliseconds limit,
                     const std::function<bool()>& alive)
    : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof answer_limit);
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!try_connect(socket_.get(), path)) {
        if (!alive()) {
            throw std::runtime_error("testpmd ended before its telemetry socket was there");
        }
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error(fmt::format("testpmd's telemetry socket {} did not appear: {}",
                                                 path.string(),
                                                 std::generic_category().message(errno)));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    receive();  // who it is, unasked
}

std::string Telemetry::receive() {
    std::string text(longest_answer, '\0');
    ssize_t got = 0;
    do {  // a receive with a time limit is not taken up again after a signal
        got = ::recv(socket_.get(), text.data(), text.size(), 0);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        throw std::runtime_error("testpmd has closed its telemetry socket: it ended");
    }
    if (got < 0) {
        throw std::runtime_error(fmt::format("testpmd does not answer on its telemetry socket: {}",
                                             std::generic_category().message(errno)));
    }
    text.resize(static_cast<std::size_t>(got));
    return text;
}

nlohmann::json Telemetry::ask(const std::string& command) {
    if (::send(socket_.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) {
        throw std::runtime_error("testpmd takes no question on its telemetry socket: it ended");
    }
    const auto answer = nlohmann::json::parse(receive(), nullptr, false);
    const std::string word = command.substr(0, command.find(','));
    if (!answer.is_object() || !answer.contains(word)) {
        throw std::runtime_error(fmt::format("testpmd's telemetry does not know {}", command));
    }
    return answer.at(word);
}

PortCounters Telemetry::counters(unsigned port) {
    const auto stats = ask(fmt::format("/ethdev/stats,{}", port));
    if (!stats.is_object()) {
        throw std::runtime_error(fmt::format("testpmd has no port {}", port));
    }
    return {.received = stats.value("ipackets", std::uint64_t{0}),
            .transmitted = stats.value("opackets", std::uint64_t{0}),
            .received_bytes = stats.value("ibytes", std::uint64_t{0}),
            .transmitted_bytes = stats.value("obytes", std::uint64_t{0}),
            .missed = stats.value("imissed", std::uint64_t{0}),
            .errors = stats.value("ierrors", std::uint64_t{0}) +
                      stats.value("oerrors", std::uint64_t{0})};
}

}  // namespace skbtrail::dpdk
