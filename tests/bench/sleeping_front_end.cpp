#include "tests/bench/sleeping_front_end.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/net/features.h"
#include "tests/unit/device/fake_front_end.h"

namespace skbtrail::bench {
namespace {

using device::vhost_user::Request;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t receive = 0;
constexpr std::uint32_t transmit = 1;
constexpr std::uint32_t header_bytes = 12;  // virtio 1.3, 5.1.6, with VERSION_1
constexpr std::uint32_t frame_bytes = 64;
constexpr std::uint32_t buffer_bytes = 2048;
constexpr int patience_ms = 1000;
constexpr int start_patience_ms = 10000;

device::UniqueFd event() {
    return device::UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

device::UniqueFd connected_to(const std::string& path) {
    device::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::runtime_error(fmt::format("the socket path {} is too long", path));
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error(
            fmt::format("cannot connect to {}: {}", path, std::generic_category().message(errno)));
    }
    return socket;
}

}  // namespace

SleepingFrontEnd::Queue::Queue(device::test::GuestRam& ram)
    : driver(ram, ring_size), kick(event()), call(event()) {}

SleepingFrontEnd::SleepingFrontEnd(const std::string& path)
    : socket_(connected_to(path)),
      queue_{Queue(ram_), Queue(ram_)},
      frame_(ram_.allocate(header_bytes + frame_bytes)),
      buffer_of_head_(ring_size) {
    send(Request::set_owner, {});
    send_value(Request::set_features,
               device::feature_version_1 | device::vhost_user::protocol_features_bit);
    share_memory();
    for (std::uint32_t i = 0; i < ring_size; ++i) {
        offer_buffer(ram_.allocate(buffer_bytes));
    }
    start(receive);
    start(transmit);
    // What is sent on a ring that is not enabled yet is lost, rightly.
    wait_done();
}

void SleepingFrontEnd::send(Request request, std::span<const std::byte> payload,
                            const std::vector<int>& fds) {
    device::test::send_raw(socket_.get(),
                           device::test::encode(static_cast<std::uint32_t>(request), payload), fds);
}

template <typename T>
void SleepingFrontEnd::send_value(Request request, const T& value, const std::vector<int>& fds) {
    send(request, std::as_bytes(std::span(&value, 1)), fds);
}

void SleepingFrontEnd::share_memory() {
    const device::RegionDescription& whole = ram_.regions().front();
    const device::vhost_user::MemoryRegion region{
        .guest_address = whole.guest_address.value,
        .size = whole.size,
        .user_address = ram_.user(whole.guest_address).value,
        .offset = whole.file_offset};
    std::vector<std::byte> table(device::vhost_user::memory_table_header + sizeof region);
    const std::uint32_t count = 1;
    std::memcpy(table.data(), &count, sizeof count);
    std::memcpy(table.data() + device::vhost_user::memory_table_header, &region, sizeof region);
    send(Request::set_mem_table, table, {ram_.fd().get()});
}

void SleepingFrontEnd::start(std::uint32_t index) {
    const Queue& queue = queue_[index];
    const auto parts = queue.driver.addresses();
    send_value(Request::set_vring_num, device::vhost_user::VringState{index, ring_size});
    send_value(Request::set_vring_base, device::vhost_user::VringState{index, 0});
    send_value(Request::set_vring_addr,
               device::vhost_user::VringAddress{.index = index,
                                                .flags = 0,
                                                .descriptors = parts.descriptors.value,
                                                .used = parts.used.value,
                                                .available = parts.available.value,
                                                .log = 0});
    send_value(Request::set_vring_call, std::uint64_t{index}, {queue.call.get()});
    send_value(Request::set_vring_kick, std::uint64_t{index}, {queue.kick.get()});
    send_value(Request::set_vring_enable, device::vhost_user::VringState{index, 1});
}

void SleepingFrontEnd::wait_done() {
    send(Request::get_features, {});
    std::array<std::byte, sizeof(device::vhost_user::Header) + sizeof(std::uint64_t)> reply;
    pollfd answered{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&answered, 1, start_patience_ms) != 1 ||
        ::recv(socket_.get(), reply.data(), reply.size(), MSG_WAITALL) !=
            static_cast<ssize_t>(reply.size())) {
        throw std::runtime_error("the back end does not answer GET_FEATURES");
    }
}

void SleepingFrontEnd::offer_buffer(device::GuestAddress address) {
    const auto offered =
        queue_[receive].driver.chain().piece({address, buffer_bytes, true}).offer();
    buffer_of_head_.at(offered.head) = address;
}

std::optional<std::chrono::nanoseconds> SleepingFrontEnd::round_trip() {
    Queue& out = queue_[transmit];
    Queue& in = queue_[receive];
    while (out.driver.take_used()) {
    }
    eventfd_t ignored = 0;
    ::eventfd_read(in.call.get(), &ignored);
    out.driver.chain().piece({frame_, header_bytes + frame_bytes, false}).offer();

    const auto began = Clock::now();
    ::eventfd_write(out.kick.get(), 1);
    const auto deadline = began + std::chrono::milliseconds(patience_ms);
    // A call may be for something else, so the ring decides.
    auto used = in.driver.take_used();
    while (!used && Clock::now() < deadline) {
        pollfd called{.fd = in.call.get(), .events = POLLIN, .revents = 0};
        ::poll(&called, 1, patience_ms);
        ::eventfd_read(in.call.get(), &ignored);
        used = in.driver.take_used();
    }
    const auto took = Clock::now() - began;
    if (!used) {
        return std::nullopt;
    }
    offer_buffer(buffer_of_head_.at(used->head));
    return took;
}

}  // namespace skbtrail::bench
