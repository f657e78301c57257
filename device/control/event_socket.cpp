#include "device/control/event_socket.h"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "device/accept_watch.h"
#include "device/control/listen_for.h"
#include "device/net/ring_event_json.h"

namespace skbtrail::device {

namespace {

constexpr std::string_view socket_prefix = "unix:";
/// For readers, when the NIC ends.
constexpr auto readers_patience = std::chrono::seconds(1);

}  // namespace

EventSocket::EventSocket(const std::string& path, std::size_t most_waiting)
    : listener_(listen_for("ring events", path)),
      most_waiting_(most_waiting),
      rest_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!rest_) {
        throw std::system_error(errno, std::generic_category(), "ring events: a timer");
    }
}

std::uint64_t EventSocket::write(std::string_view lines, std::uint64_t events,
                                 std::uint64_t sequence, int /*end*/) {
    std::uint64_t lost = 0;
    std::erase_if(readers_, [&](Reader& reader) {
        if (reader.waiting.size() + lines.size() > most_waiting_) {
            reader.missed += events;
            lost += events;
        } else {
            if (reader.missed > 0) {
                fmt::memory_buffer gap;
                format_lost(sequence - events, reader.missed, gap);
                reader.waiting.append(gap.data(), gap.size());
                reader.missed = 0;
            }
            reader.waiting.append(lines);
        }
        return !send(reader);
    });
    return lost;
}

void EventSocket::wait_for(std::vector<pollfd>& fds) const {
    fds.push_back({resting_ ? rest_.get() : listener_.fd(), POLLIN, 0});
    for (const Reader& reader : readers_) {
        const int events = reader.waiting.empty() ? 0 : POLLOUT;
        fds.push_back({reader.socket.get(), static_cast<short>(events), 0});
    }
}

void EventSocket::ready(std::span<const pollfd> fds) {
    const bool newcomer = fds.front().revents != 0;
    std::size_t at = 0;
    std::erase_if(readers_, [&](Reader& reader) {
        const short revents = fds[++at].revents;
        if ((revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
            return true;
        }
        return (revents & POLLOUT) != 0 && !send(reader);
    });
    if (newcomer && !std::exchange(resting_, false)) {
        accept();
    }
}

void EventSocket::finish() {
    const auto deadline = std::chrono::steady_clock::now() + readers_patience;
    std::erase_if(readers_, [](const Reader& reader) { return reader.waiting.empty(); });
    while (!readers_.empty() && std::chrono::steady_clock::now() < deadline) {
        std::vector<pollfd> fds;
        wait_for(fds);
        fds.front().fd = -1;  // nobody else comes
        ::poll(fds.data(), fds.size(), 10);
        ready(fds);
        std::erase_if(readers_, [](const Reader& reader) { return reader.waiting.empty(); });
    }
}

void EventSocket::accept() {
    auto socket = listener_.accept();
    if (!socket) {
        spdlog::warn("ring events: {}; trying again in a second", socket.error().message);
        const itimerspec once{.it_interval = {},
                              .it_value = {.tv_sec = accept_rest.count(), .tv_nsec = 0}};
        resting_ = ::timerfd_settime(rest_.get(), 0, &once, nullptr) == 0;
        return;
    }
    if (!*socket) {
        return;
    }
    if (readers_.size() == most_readers) {
        spdlog::warn("ring events: {} readers are the most; another one was turned away",
                     most_readers);
        return;
    }
    readers_.push_back({std::move(*socket), {}, 0});
}

bool EventSocket::send(Reader& reader) {
    while (!reader.waiting.empty()) {
        const ssize_t sent = ::send(reader.socket.get(), reader.waiting.data(),
                                    reader.waiting.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            reader.waiting.erase(0, static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

std::unique_ptr<EventSink> make_event_sink(const std::string& where) {
    if (where.starts_with(socket_prefix)) {
        return std::make_unique<EventSocket>(where.substr(socket_prefix.size()));
    }
    return std::make_unique<FileEventSink>(where);
}

}  // namespace skbtrail::device
