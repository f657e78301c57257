#include "tracer/reader.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

/// A look at the buffers at least this often, should a wake-up not come.
constexpr int period_ms = 1000;
constexpr int highest_priority = -20;
/// One turn of each: about as much memory, and as much time.
constexpr std::size_t events_per_turn = 1024;
constexpr int pages_per_turn = 64;

void write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            throw Failure(fmt::format("Cannot write the raw records: {}.", std::strerror(errno)));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

Fd create(const std::string& path) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) throw Failure(fmt::format("Cannot create {}: {}.", path, std::strerror(errno)));
    return fd;
}

}  // namespace

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Reader::Reader(const TraceBuffer& buffer, Identity& identity, std::size_t page_bytes, RawSink& sink,
               const std::string& raw_directory)
    : buffer_(buffer),
      identity_(identity),
      sink_(sink),
      page_(page_bytes),
      raw_directory_(raw_directory),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop_) throw std::system_error(errno, std::generic_category(), "eventfd");
    if (!raw_directory_.empty()) {
        raw_events_ = create(raw_directory_ + "/events");
        for (const auto& pipe : buffer_.pipes()) {
            raw_pages_[pipe.cpu] = create(fmt::format("{}/cpu{}", raw_directory_, pipe.cpu));
        }
    }
    thread_ = std::thread([this] {
        try {
            run();
        } catch (...) {
            error_ = std::current_exception();
        }
    });
}

Reader::~Reader() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        (void)!::write(stop_.get(), &one, sizeof one);
        thread_.join();
    }
}

void Reader::finish() {
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    thread_.join();
    if (error_) std::rethrow_exception(error_);
    take_all();
}

void Reader::run() {
    // Whatever is watched must not keep its watcher from the CPU. A refusal does no harm.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), highest_priority);
    const Fd poll(::epoll_create1(EPOLL_CLOEXEC));
    if (!poll) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    const auto watch = [&poll](int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
        }
    };
    watch(stop_.get());
    if (identity_.poll_fd() >= 0) watch(identity_.poll_fd());
    for (const auto& pipe : buffer_.pipes()) watch(pipe.fd.get());
    for (;;) {
        std::array<epoll_event, 16> events{};
        const int count =
            ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), period_ms);
        if (count < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "epoll_wait");
        }
        for (int i = 0; i < count; ++i) {
            if (events[static_cast<std::size_t>(i)].data.fd == stop_.get()) return;
        }
        take_all();
    }
}

void Reader::take_all() {
    // In turns: a buffer that fills as fast as it is emptied must not keep the others waiting.
    for (bool more = true; more;) {
        more = take_events();
        for (const auto& pipe : buffer_.pipes()) more = take_pages(pipe) || more;
    }
}

bool Reader::take_events() {
    const auto since = now_ns();
    const auto count = identity_.drain(
        [this](std::span<const std::byte> bytes) {
            sink_.add_event(bytes);
            if (raw_events_) {
                const auto size = static_cast<std::uint32_t>(bytes.size());
                write_all(raw_events_.get(), std::as_bytes(std::span(&size, 1)));
                write_all(raw_events_.get(), bytes);
            }
        },
        events_per_turn);
    if (count < events_per_turn) sink_.events_empty(since);
    return count == events_per_turn;
}

bool Reader::take_pages(const TraceBuffer::Pipe& pipe) {
    for (int i = 0; i < pages_per_turn; ++i) {
        const auto since = now_ns();
        const ssize_t got = ::read(pipe.fd.get(), page_.data(), page_.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != EAGAIN) {
            throw Failure(fmt::format("Cannot read CPU {}'s trace buffer: {}.", pipe.cpu,
                                      std::strerror(errno)));
        }
        if (got <= 0) {
            sink_.pages_empty(pipe.cpu, since);
            return false;
        }
        const auto page = std::span(page_).first(static_cast<std::size_t>(got));
        sink_.add_page(pipe.cpu, page);
        if (const auto raw = raw_pages_.find(pipe.cpu); raw != raw_pages_.end()) {
            write_all(raw->second.get(), page);
        }
    }
    return true;
}

}  // namespace skbtrail::tracer
