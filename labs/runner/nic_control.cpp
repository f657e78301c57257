#include "labs/runner/nic_control.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

/// The NIC answers within a turn of its loop; one that is stopped by a debugger should not stop the
/// end of a run.
constexpr timeval answer_limit{.tv_sec = 5, .tv_usec = 0};

}  // namespace

NicHolds parse_holds(std::string_view answer) {
    const auto json = nlohmann::json::parse(answer, nullptr, false);
    const auto complain = [&](std::string_view why) {
        return CannotRun(fmt::format("the NIC's control socket answered {}: {:.200}", why, answer));
    };
    if (!json.is_object()) throw complain("no JSON object");
    if (!json.value("ok", false)) throw complain("with a refusal");
    try {
        NicHolds holds;
        const auto& result = json.at("result");
        for (const auto& queue : result.at("queues")) {
            const auto number = queue.at("queue").get<unsigned>();
            const bool waits = queue.at("waiting").get<bool>();
            if (number % 2 == 0) {
                holds.frames = holds.frames || waits;
                continue;
            }
            holds.queues.push_back(number);
            if (waits) holds.transmit.push_back(number);
        }
        return holds;
    } catch (const nlohmann::json::exception&) {
        throw complain("without its holds");
    }
}

NicControl::NicControl(const std::filesystem::path& socket)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto text = socket.string();
    if (text.size() >= sizeof address.sun_path) {
        throw CannotRun(
            fmt::format("the socket path {} is too long: set TMPDIR to a shorter one", text));
    }
    std::memcpy(address.sun_path, text.data(), text.size());
    if (!socket_ || ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                              sizeof address) != 0) {
        throw CannotRun(fmt::format("cannot reach the NIC's control socket {}: {}", text,
                                    std::generic_category().message(errno)));
    }
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof answer_limit);
}

NicHolds NicControl::hold_frames() {
    return parse_holds(ask(R"({"command":"hold"})"));
}

NicHolds NicControl::release_frame() {
    return parse_holds(ask(R"({"command":"release","count":1})"));
}

NicHolds NicControl::pause(unsigned queue) {
    return parse_holds(ask(fmt::format(R"({{"command":"pause","queue":{}}})", queue)));
}

NicHolds NicControl::resume(unsigned queue) {
    return parse_holds(ask(fmt::format(R"({{"command":"resume","queue":{}}})", queue)));
}

std::string NicControl::ask(const std::string& request) {
    const auto line = request + "\n";
    if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size())) {
        throw CannotRun(fmt::format("the NIC's control socket takes no command: {}",
                                    std::generic_category().message(errno)));
    }
    while (true) {
        if (const auto end = text_.find('\n'); end != std::string::npos) {
            auto answer = text_.substr(0, end);
            text_.erase(0, end + 1);
            return answer;
        }
        std::array<char, 4096> piece;
        const auto got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            throw CannotRun(fmt::format(
                "the NIC's control socket {}",
                got == 0 ? "was closed"
                         : "does not answer: " + std::generic_category().message(errno)));
        }
        text_.append(piece.data(), static_cast<std::size_t>(got));
    }
}

}  // namespace skbtrail::labs
