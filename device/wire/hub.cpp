#include "device/wire/hub.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>
#include <net/ethernet.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device/wire/hub_message.h"

namespace skbtrail::device {

namespace {

/// Of messages on their way to one neighbour: some large segments, or a thousand small frames.
constexpr int socket_buffer = 1 << 20;
/// More would be a mistake: each is connected to each.
constexpr std::size_t most_neighbours = 64;

constexpr std::array hub_options{
    WireOption{"path", "DIRECTORY", "where the NICs of this hub meet; made if there is none"},
};

std::string meeting_path(const WireOptions& options) {
    const auto path = options.text("path");
    if (!path || path->empty()) {
        throw std::invalid_argument(
            "--wire hub needs a directory in which its NICs meet: hub,path=DIRECTORY");
    }
    return *path;
}

}  // namespace

std::span<const WireOption> HubWire::options() {
    return hub_options;
}

HubWire::HubWire(const WireOptions& options, EventLoop& loop)
    : loop_(loop),
      path_(meeting_path(options)),
      meeting_(HubMeeting::join(path_)),
      newcomers_(loop, meeting_.listener(), [this] { accept(); }),
      message_(longest_hub_message + 1) {
    for (UniqueFd& socket : meeting_.take_connections()) {
        add(std::move(socket));
    }
}

void HubWire::accept() {
    UniqueFd socket(::accept4(meeting_.listener(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
            spdlog::error("hub: a NIC cannot join: {}; trying again in a second",
                          std::strerror(errno));
            newcomers_.rest();
        }
        return;
    }
    if (neighbours_.size() >= most_neighbours) {
        spdlog::warn("hub: a NIC was turned away, there are {} already", neighbours_.size());
        return;
    }
    add(std::move(socket));
}

void HubWire::add(UniqueFd socket) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
    if (::send(socket.get(), hub_greeting.data(), hub_greeting.size(), MSG_NOSIGNAL) < 0) {
        return;  // it has left already
    }
    const Port port = next_port_++;
    Neighbour& neighbour = neighbours_[port];
    neighbour.socket = std::move(socket);
    neighbour.watch = loop_.add_fd(neighbour.socket.get(), EPOLLIN,
                                   [this, port](std::uint32_t events) { read(port, events); });
}

void HubWire::remove(Port port) {
    const auto found = neighbours_.find(port);
    if (found == neighbours_.end()) {
        return;
    }
    if (found->second.greeted) {
        spdlog::info("hub: a NIC has left");
    }
    stations_.forget(port);
    neighbours_.erase(found);
}

std::size_t HubWire::neighbours() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(neighbours_, [](const auto& entry) { return entry.second.greeted; }));
}

void HubWire::transmit(const Frame& frame) {
    if (frame.bytes.size() < ETHER_HDR_LEN || frame.bytes.size() > longest_hub_frame) {
        ++from_guest_.dropped;
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    const auto to = MacAddress::from_bytes(frame.bytes);
    const auto port = to.is_group() ? std::nullopt : stations_.find(to, HubMacTable::Clock::now());
    if (const auto known = port ? neighbours_.find(*port) : neighbours_.end();
        known != neighbours_.end()) {
        from_guest_.dropped += send(known->second, frame) ? 0 : 1;
        return;
    }
    for (auto& [unused, neighbour] : neighbours_) {
        if (neighbour.greeted) {
            from_guest_.dropped += send(neighbour, frame) ? 0 : 1;
        }
    }
}

bool HubWire::send(Neighbour& neighbour, const Frame& frame) {
    VnetHeader header = to_vnet_header(frame.offload);
    std::array parts{iovec{&header, sizeof header},
                     // sendmsg() does not write there.
                     iovec{const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    // When it has left, its end of the socket says so in its turn.
    return ::sendmsg(neighbour.socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void HubWire::read(Port port, std::uint32_t events) {
    for (std::size_t i = 0; i < turn_budget; ++i) {
        const auto found = neighbours_.find(port);
        if (found == neighbours_.end()) {
            return;
        }
        Neighbour& neighbour = found->second;
        if (to_guest_.waiting() > 0) {
            // What the guest has no buffers for waits in the sockets, and then at the senders.
            set_reading(neighbour, false);
            break;
        }
        const ssize_t size = ::recv(neighbour.socket.get(), message_.data(), message_.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (size <= 0 ||
            !handle(port, neighbour, std::span(message_).first(static_cast<std::size_t>(size)))) {
            remove(port);
            return;
        }
    }
    // Of one that has left this comes again and again, asked for or not. What it sent before is
    // still in the socket, for when the guest has buffers.
    if (const auto found = neighbours_.find(port);
        found != neighbours_.end() && !found->second.reading && (events & EPOLLHUP) != 0) {
        found->second.watch.reset();
    }
}

bool HubWire::handle(Port port, Neighbour& neighbour, std::span<std::byte> message) {
    if (!neighbour.greeted) {
        const std::string_view text(reinterpret_cast<const char*>(message.data()), message.size());
        if (text != hub_greeting) {
            spdlog::warn("hub: somebody has joined who is no NIC, or one of another version");
            return false;
        }
        neighbour.greeted = true;
        spdlog::info("hub: a NIC has joined");
        return true;
    }
    const auto frame = from_hub_message(message);
    if (!frame) {
        ++malformed_;
        return true;
    }
    stations_.learn(MacAddress::from_bytes(frame->bytes.subspan(ETHER_ADDR_LEN)), port,
                    HubMacTable::Clock::now());
    to_guest_.push(*frame);
    return true;
}

void HubWire::on_receive_ready() {
    to_guest_.drain();
    if (to_guest_.waiting() > 0) {
        return;
    }
    std::vector<Port> gone;
    for (auto& [port, neighbour] : neighbours_) {
        set_reading(neighbour, true);
        if (!neighbour.watch) {
            gone.push_back(port);
        }
    }
    for (const Port port : gone) {
        while (to_guest_.waiting() == 0 && neighbours_.contains(port)) {
            read(port, 0);
        }
    }
}

void HubWire::set_reading(Neighbour& neighbour, bool on) {
    if (neighbour.reading != on) {
        neighbour.reading = on;
        neighbour.watch.set_events(on ? EPOLLIN : 0);
    }
}

WireCounters HubWire::counters() const {
    WireCounters result{from_guest_, to_guest_.counters(), to_guest_.waiting()};
    result.to_guest.dropped += malformed_;
    return result;
}

}  // namespace skbtrail::device
