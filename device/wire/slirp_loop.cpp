#include "device/wire/slirp_loop.h"

#include <chrono>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// What libslirp asks for when it has nothing to time (slirp_update_timeout).
constexpr std::uint32_t nothing_to_time_ms = 1000;
/// A packet that waits for the guest's ARP answer expires after a second, in the next poll: so
/// many ticks after the last event nothing can be left.
constexpr int ticks_before_sleep = 3;

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               EventLoop::Clock::now().time_since_epoch())
        .count();
}

std::uint32_t to_epoll(int events) {
    std::uint32_t result = 0;
    result |= (events & SLIRP_POLL_IN) ? EPOLLIN : 0u;
    result |= (events & SLIRP_POLL_OUT) ? EPOLLOUT : 0u;
    result |= (events & SLIRP_POLL_PRI) ? EPOLLPRI : 0u;
    return result;  // EPOLLERR and EPOLLHUP come unasked
}

int to_slirp(std::uint32_t events) {
    int result = 0;
    result |= (events & EPOLLIN) ? SLIRP_POLL_IN : 0;
    result |= (events & EPOLLOUT) ? SLIRP_POLL_OUT : 0;
    result |= (events & EPOLLPRI) ? SLIRP_POLL_PRI : 0;
    result |= (events & EPOLLERR) ? SLIRP_POLL_ERR : 0;
    result |= (events & EPOLLHUP) ? SLIRP_POLL_HUP : 0;
    return result;
}

}  // namespace

SlirpCb SlirpLoop::callbacks() {
    SlirpCb cb{};
    cb.send_packet = [](const void* buf, size_t len, void* opaque) -> ssize_t {
        self(opaque).output_({static_cast<const std::byte*>(buf), len});
        return static_cast<ssize_t>(len);
    };
    cb.guest_error = [](const char* message, void* opaque) {
        self(opaque).warnings_.warn(fmt::format("the guest's traffic is wrong: {}", message));
    };
    cb.clock_get_ns = [](void*) { return now_ns(); };
    cb.timer_new_opaque = [](SlirpTimerId id, void* cb_opaque, void* opaque) -> void* {
        return new EventLoop::Timer(self(opaque).loop_.add_timer([id, cb_opaque, opaque] {
            slirp_handle_timer(self(opaque).slirp_.get(), id, cb_opaque);
            self(opaque).touched_ = true;
        }));
    };
    // libslirp counts on the clock that we give it, which is the loop's.
    cb.timer_mod = [](void* timer, std::int64_t expire_ms, void*) {
        static_cast<EventLoop::Timer*>(timer)->arm(
            EventLoop::Clock::time_point(std::chrono::milliseconds(expire_ms)));
    };
    cb.timer_free = [](void* timer, void*) { delete static_cast<EventLoop::Timer*>(timer); };
    // A number that comes again belongs to a new socket: nothing of the old one may stay.
    cb.register_poll_fd = [](int fd, void* opaque) {
        self(opaque).watches_.erase(fd);
        self(opaque).touched_ = true;
    };
    cb.unregister_poll_fd = [](int fd, void* opaque) {
        self(opaque).watches_.erase(fd);
        self(opaque).touched_ = true;
    };
    cb.notify = [](void* opaque) { self(opaque).touched_ = true; };
    return cb;
}

SlirpLoop::SlirpLoop(const SlirpConfig& config, EventLoop& loop, Output output)
    : loop_(loop), output_(std::move(output)), callbacks_(callbacks()) {
    deadline_ = loop_.add_timer([this] { touched_ = true; });
    slirp_.reset(slirp_new(&config, &callbacks_, this));
    if (!slirp_) {
        throw std::runtime_error(std::string("libslirp ") + slirp_version_string() +
                                 " refused the configuration");
    }
    before_wait_ = loop_.before_wait([this] { before_wait(); });
}

SlirpLoop::~SlirpLoop() = default;

void SlirpLoop::input(std::span<const std::byte> frame) {
    // libslirp reads its clock in poll only. After a long sleep a new socket would otherwise be
    // born with an expiry in the past.
    if (!clock_fresh_) {
        poll();
    }
    slirp_input(slirp_.get(), reinterpret_cast<const std::uint8_t*>(frame.data()),
                static_cast<int>(frame.size()));
    idle_ticks_ = 0;
    touched_ = true;
}

void SlirpLoop::before_wait() {
    if (touched_) {
        touched_ = false;
        poll();
        fill();
    }
    clock_fresh_ = false;
}

void SlirpLoop::poll() {
    slirp_pollfds_poll(
        slirp_.get(), 0, [](int index, void* opaque) { return self(opaque).ready_events(index); },
        this);
    for (auto& [fd, watch] : watches_) {
        watch.ready = 0;
    }
    clock_fresh_ = true;
}

void SlirpLoop::fill() {
    ++generation_;
    polled_fds_.clear();
    std::uint32_t timeout_ms = std::numeric_limits<std::uint32_t>::max();
    slirp_pollfds_fill(
        slirp_.get(), &timeout_ms,
        [](int fd, int events, void* opaque) { return self(opaque).watch(fd, events); }, this);
    std::erase_if(watches_,
                  [this](const auto& entry) { return entry.second.generation != generation_; });
    if (timeout_ms < nothing_to_time_ms || !watches_.empty()) {
        idle_ticks_ = 0;
    }
    if (idle_ticks_ < ticks_before_sleep) {
        ++idle_ticks_;
        deadline_.arm(EventLoop::Clock::now() + std::chrono::milliseconds(timeout_ms));
    } else {
        deadline_.disarm();
    }
}

int SlirpLoop::watch(int fd, int slirp_events) {
    const std::uint32_t wanted = to_epoll(slirp_events);
    auto& watch = watches_[fd];
    try {
        if (!watch.registration) {
            watch.registration = loop_.add_fd(fd, wanted, [this, fd](std::uint32_t events) {
                if (const auto found = watches_.find(fd); found != watches_.end()) {
                    found->second.ready |= events;
                    touched_ = true;
                }
            });
        } else if (watch.wanted != wanted) {
            watch.registration.set_events(wanted);
        }
    } catch (const std::system_error& error) {
        // libslirp's own affair: that one connection stands still until libslirp gives it up.
        warnings_.warn(fmt::format("a connection of the guest is lost: {}", error.what()));
        watches_.erase(fd);
        return -1;
    }
    watch.wanted = wanted;
    watch.generation = generation_;
    polled_fds_.push_back(fd);
    return static_cast<int>(polled_fds_.size()) - 1;
}

int SlirpLoop::ready_events(int index) const {
    if (index < 0 || static_cast<std::size_t>(index) >= polled_fds_.size()) {
        return 0;
    }
    const auto found = watches_.find(polled_fds_[static_cast<std::size_t>(index)]);
    return found == watches_.end() ? 0 : to_slirp(found->second.ready);
}

}  // namespace skbtrail::device
