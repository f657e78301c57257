#include "device/control/ctl.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "device/control/commands.h"
#include "device/parse_number.h"
#include "device/unique_fd.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

constexpr int refused = 1;
constexpr int unreachable = 2;
constexpr int usage_error = 64;
/// Prints what the NIC tells everybody, until it ends.
constexpr std::string_view watch_command = "watch";

std::string usage() {
    std::string text =
        "Usage: skbtrail-nic ctl SOCKET COMMAND [ARGUMENT...] [--json]\n\n"
        "Speaks to a NIC that was started with --control SOCKET. Arguments are values in the "
        "order\n"
        "shown, or name=value; --json prints the answer as the NIC gave it.\n\nCommands:\n";
    for (const CommandName& one : command_names()) {
        std::string head(one.name);
        std::replace(head.begin(), head.end(), '-', ' ');
        for (const std::string_view member : one.members) {
            head += fmt::format(" [{}]", member);
        }
        text += fmt::format("  {}\n      {}\n", head, one.meaning);
    }
    return text + "  watch\n      prints each stop at a breakpoint, until interrupted\n";
}

/// Which command the first words name, and how many of them.
std::pair<const CommandName*, std::size_t> find_command(std::span<const std::string> words) {
    const auto find = [](const std::string& name) -> const CommandName* {
        const auto names = command_names();
        const auto found = std::find_if(names.begin(), names.end(),
                                        [&](const CommandName& one) { return one.name == name; });
        return found == names.end() ? nullptr : &*found;
    };
    if (words.size() >= 2) {
        if (const CommandName* const two = find(words[0] + "-" + words[1])) {
            return {two, 2};
        }
    }
    return {words.empty() ? nullptr : find(words[0]), 1};
}

Json value_of(std::string_view word) {
    if (const auto number = parse_number<std::uint64_t>(word)) {
        return *number;
    }
    return std::string(word);
}

Result<UniqueFd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return failure(fmt::format("\"{}\" is no path of a socket", path));
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return failure(fmt::format(
            "cannot reach a NIC at {}: {}{}", path, std::strerror(errno),
            errno == ENOENT || errno == ECONNREFUSED ? " (was it started with --control?)" : ""));
    }
    return socket;
}

/// Lines from the NIC.
class Lines {
  public:
    explicit Lines(const UniqueFd& socket) : socket_(socket) {}

    /// The next; none when the NIC has ended.
    std::optional<std::string> next() {
        for (;;) {
            if (const auto end = text_.find('\n'); end != std::string::npos) {
                std::string line = text_.substr(0, end);
                text_.erase(0, end + 1);
                return line;
            }
            std::array<char, 16384> piece;
            const auto got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                return std::nullopt;
            }
            text_.append(piece.data(), static_cast<std::size_t>(got));
        }
    }

  private:
    const UniqueFd& socket_;
    std::string text_;
};

bool send_line(const UniqueFd& socket, std::string line) {
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
        const auto sent = ::send(socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
    return true;
}

int watch(Lines& lines) {
    while (const auto line = lines.next()) {
        std::printf("%s\n", line->c_str());
        std::fflush(stdout);
    }
    return 0;
}

void print(const Json& request, const Json& result, bool as_json) {
    std::string text;
    if (as_json) {
        text = result.dump(2) + "\n";
    } else if (request["command"] == "state") {
        text = state_text(result);
    } else if (result.is_string()) {
        text = result.get<std::string>();
    } else if (!result.empty()) {
        // Lists one element a line: short, and greppable.
        if (result.is_array()) {
            for (const Json& one : result) {
                text += one.dump() + "\n";
            }
        } else {
            text = result.dump() + "\n";
        }
    }
    std::fputs(text.c_str(), stdout);
}

int complain(int status, const std::string& sentence) {
    std::fprintf(stderr, "skbtrail-nic ctl: %s\n", sentence.c_str());
    return status;
}

}  // namespace

Result<Json> make_request(std::span<const std::string> words) {
    const auto [command, consumed] = find_command(words);
    if (command == nullptr) {
        std::vector<std::string_view> known{watch_command};
        for (const CommandName& one : command_names()) {
            known.push_back(one.name);
        }
        std::string said = words.empty() ? "" : words[0];
        if (words.size() > 1 && (said == "break" || said == "fault")) {
            said += "-" + words[1];
        }
        return failure(
            fmt::format("there is no command \"{}\"{}", said, did_you_mean(said, known)));
    }
    Json request{{"command", command->name}};
    const auto arguments = words.subspan(consumed);
    if (command->members.size() == 1 && command->members[0] == "when") {
        request["when"] = std::vector<std::string>(arguments.begin(), arguments.end());
        return request;
    }
    std::size_t next = 0;
    for (const std::string& argument : arguments) {
        const std::size_t at = argument.find('=');
        const std::string key = at == std::string::npos ? "" : argument.substr(0, at);
        if (std::find(command->members.begin(), command->members.end(), key) !=
            command->members.end()) {
            request[key] = value_of(std::string_view(argument).substr(at + 1));
            continue;
        }
        std::string member;
        if (command->name == "step" && argument == "notification") {
            member = "to";
        } else if (next < command->members.size()) {
            member = command->members[next++];
        } else {
            return failure(fmt::format("{}: \"{}\" is one word too many", command->name, argument));
        }
        request[member] = value_of(argument);
    }
    return request;
}

int run_ctl(std::span<const std::string> all) {
    std::vector<std::string> words(all.begin(), all.end());
    const bool as_json = std::erase(words, "--json") > 0;
    if (words.empty() || words[0] == "--help" || words[0] == "-h") {
        std::fputs(usage().c_str(), words.empty() ? stderr : stdout);
        return words.empty() ? usage_error : 0;
    }
    if (words.size() == 1) {
        return complain(usage_error,
                        "it needs a command, like: skbtrail-nic ctl " + words[0] + " state");
    }
    const bool watching = words[1] == watch_command && words.size() == 2;
    Json request;
    if (!watching) {
        auto made = make_request(std::span(words).subspan(1));
        if (!made) {
            return complain(usage_error, made.error().message);
        }
        request = std::move(*made);
    }
    const auto socket = connect_to(words[0]);
    if (!socket) {
        return complain(unreachable, socket.error().message);
    }
    Lines lines(*socket);
    if (watching) {
        return watch(lines);
    }
    if (send_line(*socket, request.dump(-1, ' ', false, Json::error_handler_t::replace))) {
        while (const auto line = lines.next()) {
            const Json answer = Json::parse(*line, nullptr, false);
            if (!answer.is_object() || !answer.contains("ok")) {
                continue;  // what everybody is told
            }
            if (answer["ok"] != true) {
                return complain(refused, answer.value("error", "the NIC refused"));
            }
            print(request, answer["result"], as_json);
            return 0;
        }
    }
    return complain(unreachable, "the NIC ended the connection");
}

}  // namespace skbtrail::device
