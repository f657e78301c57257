#include "device/event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <map>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "device/unique_fd.h"

namespace skbtrail::device {

struct EventLoop::FdEntry {
    std::uint64_t id;
    int fd;
    FdCallback callback;
};

struct EventLoop::TimerEntry {
    Callback callback;
    bool armed = false;
    Clock::time_point deadline;
    std::uint64_t order = 0;
};

struct EventLoop::HookEntry {
    Callback callback;
};

struct EventLoop::PollEntry {
    PollCallback callback;
    bool awake = false;
};

struct EventLoop::State {
    /// Timers by deadline; the order of arming breaks ties.
    using TimerKey = std::pair<Clock::time_point, std::uint64_t>;

    UniqueFd epoll;
    /// By id, not by descriptor: numbers come again, and an event that was already fetched for a
    /// closed descriptor must not reach its successor.
    std::unordered_map<std::uint64_t, std::shared_ptr<FdEntry>> fds;
    std::map<TimerKey, std::shared_ptr<TimerEntry>> timers;
    std::vector<std::weak_ptr<PollEntry>> polls;
    std::size_t polls_awake = 0;
    std::vector<std::weak_ptr<HookEntry>> before_wait;
    std::vector<std::weak_ptr<HookEntry>> on_idle;
    std::uint64_t next_id = 1;
    bool stopping = false;

    void disarm(TimerEntry& timer) {
        if (timer.armed) {
            timers.erase({timer.deadline, timer.order});
            timer.armed = false;
        }
    }
};

namespace {

template <typename Entries>
void call_all(Entries& entries) {
    std::erase_if(entries, [](const auto& entry) { return entry.expired(); });
    // A hook may add hooks, which moves the vector's elements: index, and keep each one alive.
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (const auto entry = entries[i].lock()) {
            entry->callback();
        }
    }
}

}  // namespace

EventLoop::EventLoop() : state_(std::make_shared<State>()) {
    state_->epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!state_->epoll) {
        throw std::system_error(errno, std::generic_category(), "cannot create an epoll instance");
    }
}

EventLoop::~EventLoop() = default;

EventLoop::FdWatch EventLoop::add_fd(int fd, std::uint32_t events, FdCallback callback) {
    auto entry = std::make_shared<FdEntry>(FdEntry{state_->next_id++, fd, std::move(callback)});
    epoll_event event{};
    event.events = events;
    event.data.u64 = entry->id;
    if (::epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot wait for file descriptor " + std::to_string(fd));
    }
    state_->fds.emplace(entry->id, entry);
    FdWatch watch;
    watch.state_ = state_;
    watch.entry_ = std::move(entry);
    return watch;
}

EventLoop::Timer EventLoop::add_timer(Callback callback) {
    Timer timer;
    timer.state_ = state_;
    timer.entry_ = std::make_shared<TimerEntry>();
    timer.entry_->callback = std::move(callback);
    return timer;
}

EventLoop::Timer EventLoop::add_timer(Clock::time_point deadline, Callback callback) {
    Timer timer = add_timer(std::move(callback));
    timer.arm(deadline);
    return timer;
}

EventLoop::Poll EventLoop::add_poll(PollCallback callback) {
    Poll poll;
    poll.state_ = state_;
    poll.entry_ = std::make_shared<PollEntry>();
    poll.entry_->callback = std::move(callback);
    state_->polls.push_back(poll.entry_);
    return poll;
}

EventLoop::Hook EventLoop::before_wait(Callback callback) {
    Hook hook;
    hook.entry_ = std::make_shared<HookEntry>(HookEntry{std::move(callback)});
    state_->before_wait.push_back(hook.entry_);
    return hook;
}

EventLoop::Hook EventLoop::on_idle(Callback callback) {
    Hook hook;
    hook.entry_ = std::make_shared<HookEntry>(HookEntry{std::move(callback)});
    state_->on_idle.push_back(hook.entry_);
    return hook;
}

void EventLoop::run() {
    state_->stopping = false;
    while (!state_->stopping) {
        turn(std::chrono::milliseconds::max());
    }
}

void EventLoop::stop() noexcept {
    state_->stopping = true;
}

bool EventLoop::turn(std::chrono::milliseconds longest) {
    // The state outlives a callback that destroys the loop's owner.
    const auto state = state_;
    const bool fired = fire_due_timers();
    if (state->polls_awake > 0) {
        look_at_polls();
        wait_and_dispatch(0);
        return true;
    }
    call_all(state->before_wait);
    if (wait_and_dispatch(0) || fired || state->stopping) {
        return true;
    }
    call_all(state->on_idle);
    call_all(state->before_wait);
    if (state->stopping) {
        return true;
    }
    const auto limit = std::clamp<std::chrono::milliseconds::rep>(longest.count(), 0,
                                                                  std::numeric_limits<int>::max());
    const bool forever = longest == std::chrono::milliseconds::max();
    const bool dispatched =
        wait_and_dispatch(timeout_until_next_timer(forever ? -1 : static_cast<int>(limit)));
    return fire_due_timers() || dispatched;
}

void EventLoop::look_at_polls() {
    const auto state = state_;
    std::erase_if(state->polls, [](const auto& poll) { return poll.expired(); });
    // One system call for so many rounds: what it costs is not noticed beside them, and they are
    // over in some ten microseconds.
    constexpr int rounds = 32;
    for (int round = 0; round < rounds && state->polls_awake > 0 && !state->stopping; ++round) {
        bool found = false;
        for (std::size_t i = 0; i < state->polls.size(); ++i) {
            const auto poll = state->polls[i].lock();
            if (poll && poll->awake) {
                found = poll->callback() || found;
            }
        }
        call_all(state->before_wait);
        if (!found) {
            __builtin_ia32_pause();
        }
    }
}

bool EventLoop::wait_and_dispatch(int timeout_ms) {
    const auto state = state_;
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(state->epoll.get(), events.data(),
                                   static_cast<int>(events.size()), timeout_ms);
    if (ready < 0) {
        if (errno == EINTR) {
            return false;
        }
        throw std::system_error(errno, std::generic_category(), "epoll_wait");
    }
    for (int i = 0; i < ready; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        // A copy: struct epoll_event is packed, and find() takes a reference.
        const std::uint64_t key = event.data.u64;
        const auto found = state->fds.find(key);
        if (found == state->fds.end()) {
            continue;  // dropped by an earlier callback of this turn
        }
        const std::shared_ptr<FdEntry> entry = found->second;
        entry->callback(event.events);
    }
    return ready > 0;
}

bool EventLoop::fire_due_timers() {
    const auto state = state_;
    const auto now = Clock::now();
    // A timer that arms itself again in its callback has a later turn, even for a past deadline.
    std::vector<std::shared_ptr<TimerEntry>> due;
    for (const auto& [key, timer] : state->timers) {
        if (key.first > now) {
            break;
        }
        due.push_back(timer);
    }
    bool fired = false;
    for (const auto& timer : due) {
        if (!timer->armed || timer->deadline > now) {
            continue;  // disarmed or postponed by the callback of another
        }
        state->disarm(*timer);
        fired = true;
        timer->callback();
    }
    return fired;
}

int EventLoop::timeout_until_next_timer(int longest_ms) const {
    if (state_->timers.empty()) {
        return longest_ms;
    }
    const auto until = state_->timers.begin()->first.first - Clock::now();
    // Rounded up: waking a fraction too early would spin until the deadline.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until).count();
    const auto bounded = static_cast<int>(
        std::clamp<std::chrono::milliseconds::rep>(ms, 0, std::numeric_limits<int>::max()));
    return longest_ms < 0 ? bounded : std::min(longest_ms, bounded);
}

EventLoop::FdWatch& EventLoop::FdWatch::operator=(FdWatch&& other) noexcept {
    if (this != &other) {
        reset();
        state_ = std::move(other.state_);
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void EventLoop::FdWatch::set_events(std::uint32_t events) {
    const auto state = state_.lock();
    if (!state || !entry_) {
        return;
    }
    epoll_event event{};
    event.events = events;
    event.data.u64 = entry_->id;
    if (::epoll_ctl(state->epoll.get(), EPOLL_CTL_MOD, entry_->fd, &event) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot wait for file descriptor " + std::to_string(entry_->fd));
    }
}

void EventLoop::FdWatch::reset() noexcept {
    if (const auto state = state_.lock(); state && entry_) {
        epoll_event unused{};
        ::epoll_ctl(state->epoll.get(), EPOLL_CTL_DEL, entry_->fd, &unused);
        state->fds.erase(entry_->id);
    }
    entry_.reset();
    state_.reset();
}

EventLoop::Timer& EventLoop::Timer::operator=(Timer&& other) noexcept {
    if (this != &other) {
        reset();
        state_ = std::move(other.state_);
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void EventLoop::Timer::arm(Clock::time_point deadline) {
    const auto state = state_.lock();
    if (!state || !entry_) {
        return;
    }
    state->disarm(*entry_);
    entry_->deadline = deadline;
    entry_->order = state->next_id++;
    entry_->armed = true;
    state->timers.emplace(State::TimerKey{deadline, entry_->order}, entry_);
}

void EventLoop::Timer::disarm() noexcept {
    if (const auto state = state_.lock(); state && entry_) {
        state->disarm(*entry_);
    }
}

bool EventLoop::Timer::armed() const noexcept {
    return entry_ && entry_->armed;
}

void EventLoop::Timer::reset() noexcept {
    disarm();
    entry_.reset();
    state_.reset();
}

EventLoop::Hook& EventLoop::Hook::operator=(Hook&& other) noexcept {
    if (this != &other) {
        reset();
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void EventLoop::Hook::reset() noexcept {
    entry_.reset();
}

EventLoop::Poll& EventLoop::Poll::operator=(Poll&& other) noexcept {
    if (this != &other) {
        reset();
        state_ = std::move(other.state_);
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void EventLoop::Poll::wake() noexcept {
    if (!entry_ || entry_->awake) {
        return;
    }
    if (const auto state = state_.lock()) {
        entry_->awake = true;
        ++state->polls_awake;
    }
}

void EventLoop::Poll::sleep() noexcept {
    if (!entry_ || !entry_->awake) {
        return;
    }
    if (const auto state = state_.lock()) {
        entry_->awake = false;
        --state->polls_awake;
    }
}

bool EventLoop::Poll::awake() const noexcept {
    return entry_ && entry_->awake;
}

void EventLoop::Poll::reset() noexcept {
    sleep();
    entry_.reset();
    state_.reset();
}

}  // namespace skbtrail::device
