#include "device/wire/tap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace skbtrail::device {

namespace {

/// More than the kernel queues for an interface (`txqueuelen` is 1,000): who empties a queue that
/// is filled meanwhile has to stop somewhere.
constexpr std::size_t most_discarded = 4096;
constexpr std::uint64_t most_queues = 8;

constexpr std::array tap_options{
    WireOption{"ifname", "NAME", "the interface, made unless it is there (the kernel's choice)"},
    WireOption{"queues", "N", "queues of the interface, 1 to 8; else than 1: multi_queue (1)"},
    WireOption{"up", "on|off", "on: sets it up; needs CAP_NET_ADMIN (on)"},
};

}  // namespace

std::span<const WireOption> TapWire::options() {
    return tap_options;
}

TapWire::TapWire(const WireOptions& options, EventLoop& loop) {
    const auto count = static_cast<unsigned>(options.number("queues", 1, most_queues).value_or(1));
    std::string name = options.text("ifname").value_or("");
    for (unsigned i = 0; i < count; ++i) {
        queues_.push_back(std::make_unique<Queue>(TapQueue::open(name, count > 1)));
        name = interface();
        queues_.back()->watch =
            loop.add_fd(queues_.back()->tap.fd(), 0, [this, i](std::uint32_t events) {
                if ((events & EPOLLERR) != 0) {
                    interface_gone(i);
                } else {
                    pass_on(i);
                }
            });
    }
    description_ = count == 1 ? "tap " + name : fmt::format("tap {}, {} queues", name, count);
    if (options.on_off("up", true)) {
        make_interface_up();
    }
}

void TapWire::make_interface_up() const {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, interface().data(), interface().size());
    const auto failed = [this](int error) {
        throw std::runtime_error(
            fmt::format("--wire tap: cannot set \"{}\" up: {} (up=off leaves "
                        "that to somebody else)",
                        interface(), std::generic_category().message(error)));
    };
    if (!socket || ::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
        failed(errno);
    }
    if ((request.ifr_flags & IFF_UP) != 0) {
        return;
    }
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
        failed(errno);
    }
}

void TapWire::interface_gone(unsigned index) {
    spdlog::error("tap: the interface \"{}\" is gone; nothing comes from it any more",
                  queues_[index]->tap.name());
    queues_[index]->watch.reset();
}

bool TapWire::takes_segments(std::uint8_t gso_type) const {
    return gso_type != gso_udp_segments || queues_.front()->tap.offloads().udp_segments;
}

void TapWire::transmit(const Frame& frame) {
    Queue& queue = *queues_[frame.queue_pair % queues_.size()];
    if (!queue.tap.write(frame)) {
        ++from_guest_.dropped;
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
}

void TapWire::on_receive_ready() {
    running_ = true;
    const bool fresh = std::exchange(new_guest_, false);
    for (unsigned i = 0; i < queues_.size() && running_; ++i) {
        if (fresh) {
            discard(*queues_[i]);
        }
        pass_on(i);
    }
}

void TapWire::on_receive_stopped() {
    running_ = false;
    for (const auto& queue : queues_) {
        watch(*queue, false);
    }
}

void TapWire::on_guest_left() {
    on_receive_stopped();
    new_guest_ = true;
}

void TapWire::discard(Queue& queue) {
    std::uint64_t discarded = queue.kept_offload ? 1 : 0;
    queue.kept_offload.reset();
    while (discarded < most_discarded && queue.tap.read()) {
        ++discarded;
    }
    to_guest_.dropped += discarded;
}

void TapWire::pass_on(unsigned index) {
    Queue& queue = *queues_[index];
    if (!running_) {
        watch(queue, false);
        return;
    }
    if (queue.kept_offload) {
        const FrameOffload offload = *queue.kept_offload;
        if (!deliver(index, Frame{queue.kept, offload, pair_of(index), queue.kept})) {
            return;
        }
        queue.kept_offload.reset();
    }
    for (std::size_t i = 0; i < turn_budget && running_; ++i) {
        auto frame = queue.tap.read();
        if (!frame) {
            break;
        }
        frame->queue_pair = pair_of(index);
        if (!deliver(index, *frame)) {
            queue.kept.assign(frame->bytes.begin(), frame->bytes.end());
            queue.kept_offload = frame->offload;
            return;
        }
    }
    // Level-triggered: what is left brings us here again in the next turn.
    watch(queue, running_);
}

unsigned TapWire::pair_of(unsigned index) const {
    return queues_.size() > 1 ? index : Frame::any_pair;
}

bool TapWire::deliver(unsigned index, const Frame& frame) {
    if (!deliver_(frame)) {
        watch(*queues_[index], false);
        return false;
    }
    if (running_) {
        ++to_guest_.frames;
        to_guest_.bytes += frame.bytes.size();
    }
    return true;
}

void TapWire::watch(Queue& queue, bool on) {
    if (std::exchange(queue.watching, on) != on) {
        queue.watch.set_events(on ? EPOLLIN : 0);
    }
}

WireCounters TapWire::counters() const {
    const auto waiting = std::ranges::count_if(
        queues_, [](const auto& queue) { return queue->kept_offload.has_value(); });
    return {from_guest_, to_guest_, static_cast<std::uint64_t>(waiting)};
}

}  // namespace skbtrail::device
