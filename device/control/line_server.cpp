#include "device/control/line_server.h"

#include <array>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "device/control/listen_for.h"

namespace skbtrail::device {

LineServer::LineServer(EventLoop& loop, const std::string& path, Answer answer,
                       std::string too_long)
    : loop_(loop),
      listener_(listen_for("control socket", path)),
      answer_(std::move(answer)),
      too_long_(std::move(too_long)),
      newcomers_(loop, listener_.fd(), [this] { accept(); }) {}

void LineServer::accept() {
    auto socket = listener_.accept();
    if (!socket) {
        spdlog::warn("control socket: {}; trying again in a second", socket.error().message);
        newcomers_.rest();
        return;
    }
    if (!*socket) {
        return;
    }
    if (clients_.size() == most_clients) {
        spdlog::warn("control socket: {} clients are the most; another one was turned away",
                     most_clients);
        return;
    }
    clients_.emplace_back();
    const ClientAt client = std::prev(clients_.end());
    client->socket = std::move(*socket);
    try {
        client->watch =
            loop_.add_fd(client->socket.get(), EPOLLIN,
                         [this, client](std::uint32_t events) { ready(client, events); });
    } catch (const std::system_error& error) {
        spdlog::warn("control socket: {}", error.what());
        clients_.erase(client);
    }
}

void LineServer::ready(ClientAt client, std::uint32_t events) {
    bool stays = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || receive(*client);
    if (stays) {
        answer_lines(*client);
        stays = send(*client);
    }
    if (stays) {
        set_interest(*client);
    } else {
        clients_.erase(client);
    }
}

bool LineServer::receive(Client& client) {
    std::array<char, 16384> piece;
    const ssize_t got = ::recv(client.socket.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (got == 0) {
        // It may still wait for answers to what it has said.
        client.leaving = true;
        return true;
    }
    if (!client.leaving) {
        client.in.append(piece.data(), static_cast<std::size_t>(got));
    }
    return true;
}

void LineServer::answer_lines(Client& client) {
    std::size_t begin = 0;
    while (client.out.size() < most_waiting) {
        const std::size_t end = client.in.find('\n', begin);
        if (end == std::string::npos) {
            break;
        }
        std::string_view line = std::string_view(client.in).substr(begin, end - begin);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (!line.empty()) {
            client.out += answer_(line);
            client.out += '\n';
        }
        begin = end + 1;
    }
    client.in.erase(0, begin);
    if (client.in.size() > longest_line && client.in.find('\n') == std::string::npos) {
        client.out += too_long_;
        client.out += '\n';
        client.in.clear();
        client.leaving = true;
    }
}

bool LineServer::send(Client& client) {
    while (!client.out.empty()) {
        const ssize_t sent = ::send(client.socket.get(), client.out.data(), client.out.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            client.out.erase(0, static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
    // Lines that were left because too many answers waited come first.
    return !client.leaving || client.in.find('\n') != std::string::npos;
}

void LineServer::set_interest(Client& client) {
    const bool listens =
        !client.leaving && client.out.size() < most_waiting && client.in.size() <= longest_line;
    const bool speaks = !client.out.empty() || client.in.find('\n') != std::string::npos;
    client.watch.set_events((listens ? EPOLLIN : 0u) | (speaks ? EPOLLOUT : 0u));
}

void LineServer::tell_all(std::string_view line) {
    for (Client& client : clients_) {
        if (client.out.size() + line.size() > most_waiting) {
            ++untold_;
            continue;
        }
        client.out += line;
        client.out += '\n';
        // Sent by the loop: whoever tells may be in the middle of answering this client.
        set_interest(client);
    }
}

}  // namespace skbtrail::device
