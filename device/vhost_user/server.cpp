#include "device/vhost_user/server.h"

#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace skbtrail::device::vhost_user {

namespace {

/// Messages per turn of the loop: a front end that floods does not keep the wire from its turn.
constexpr int turn_budget = 32;

std::string name_of_peer(int fd) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0
               ? fmt::format("process {}", credentials.pid)
               : "a process";
}

}  // namespace

Connection::Connection(EventLoop& loop, UniqueFd socket, VirtioDevice& device,
                       NetworkControl& network, SessionOptions options,
                       std::function<void(std::string)> on_end)
    : socket_(std::move(socket)),
      session_(loop, device, network, options),
      on_end_(std::move(on_end)),
      watch_(loop.add_fd(socket_.fd(), EPOLLIN, [this](std::uint32_t) { readable(); })) {}

bool Connection::hung_up() const noexcept {
    pollfd state{socket_.fd(), POLLRDHUP, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Connection::readable() {
    for (int handled = 0; handled < turn_budget; ++handled) {
        auto received = socket_.receive();
        if (std::holds_alternative<MessageSocket::NotYet>(received)) {
            return;
        }
        std::string end;
        if (auto* const message = std::get_if<Message>(&received)) {
            const std::uint32_t request = message->request;
            Session::Answer answer = session_.handle(std::move(*message));
            if (answer.reply) {
                if (auto sent =
                        socket_.reply(request, answer.reply->payload, answer.reply->fd.get());
                    !sent) {
                    end = sent.error().message;
                }
            }
            if (answer.end) {
                end = *answer.end;
            }
            if (end.empty()) {
                continue;
            }
        } else if (auto* const broken = std::get_if<MessageSocket::Broken>(&received)) {
            end = broken->reason;
        } else if (std::get<MessageSocket::Closed>(received).in_message) {
            end = "the front end left in the middle of a message";
        }
        // The callback destroys this object; nothing of it is touched afterwards.
        const auto on_end = std::move(on_end_);
        on_end(std::move(end));
        return;
    }
}

Server::Server(EventLoop& loop, Listener& listener, VirtioDevice& device, NetworkControl& network,
               SessionOptions options, std::function<void()> on_left)
    : loop_(loop),
      listener_(&listener),
      device_(device),
      network_(network),
      options_(options),
      on_left_(std::move(on_left)) {
    newcomers_.emplace(loop, listener.fd(), [this] { accept(); });
}

Server::Server(EventLoop& loop, const std::string& path, VirtioDevice& device,
               NetworkControl& network, SessionOptions options, std::function<void()> on_left)
    : loop_(loop),
      device_(device),
      network_(network),
      options_(options),
      on_left_(std::move(on_left)) {
    connector_.emplace(loop, path, [this](UniqueFd socket) { serve(std::move(socket)); });
}

void Server::accept() {
    auto accepted = listener_->accept();
    if (!accepted) {
        spdlog::error("{}; trying again in a second", accepted.error().message);
        newcomers_->rest();
        return;
    }
    if (!*accepted) {
        return;
    }
    UniqueFd socket = std::move(*accepted);
    // One that comes back may be here before we have seen it go.
    if (connection_ && connection_->hung_up()) {
        ended("");
    }
    if (connection_) {
        spdlog::warn("turned away {}: this NIC serves one front end at a time",
                     name_of_peer(socket.get()));
        return;
    }
    serve(std::move(socket));
}

void Server::serve(UniqueFd socket) {
    spdlog::info("front end connected: {}", name_of_peer(socket.get()));
    try {
        connection_ =
            std::make_unique<Connection>(loop_, std::move(socket), device_, network_, options_,
                                         [this](const std::string& reason) { ended(reason); });
    } catch (const std::system_error& error) {
        spdlog::error("cannot serve the front end: {}", error.what());
        if (connector_) {
            connector_->again();
        }
    }
}

bool Server::disconnect() {
    if (!connection_) {
        return false;
    }
    ended("the NIC was told to leave the front end");
    return true;
}

void Server::ended(const std::string& reason) {
    connection_.reset();
    if (reason.empty()) {
        spdlog::info("front end left");
    } else {
        spdlog::error("connection ended: {}", reason);
    }
    if (connector_) {
        connector_->again();
    }
    on_left_();
}

}  // namespace skbtrail::device::vhost_user
