// Fuzzes the vhost-user connection: a front end that sends anything in any pieces with any
// descriptors (message_script.h), against socket, session and the real device.

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/net/net_device.h"
#include "device/vhost_user/server.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/invariant.h"
#include "tests/hostile/fuzz/message_script.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::hostile;
using skbtrail::device::test::BenchWire;
using skbtrail::device::test::pattern;

namespace {

UniqueFd memory_file(std::uint64_t bytes) {
    UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    require(fd && ::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0, "the test has a memfd");
    return fd;
}

class Player {
  public:
    explicit Player(FuzzInput& input)
        : input_(input), serve_config_((input.take<std::uint8_t>() & 1) != 0) {
        NetDeviceOptions options;
        options.features = possible_features({.serves_config = serve_config_}) | feature_log_all;
        device_ = std::make_unique<NetDevice>(loop_, wire_, options, nullptr, FrameTap());
        connect();
    }

    void play() {
        for (int steps = 0; !input_.empty() && steps < longest; ++steps) {
            step(static_cast<MessageStep>(input_.take<std::uint8_t>() % message_steps));
            if (!connection_) {
                connect();
            }
        }
        connection_.reset();
        for (unsigned queue = 0; queue < device_->queue_count(); ++queue) {
            require(std::as_const(*device_).queue(queue).virtqueue().state() ==
                        Virtqueue::State::stopped,
                    "a queue runs without a front end");
        }
    }

  private:
    static constexpr int longest = 200;

    void connect() {
        int ends[2];
        require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0,
                "the test has a socket");
        front_end_ = UniqueFd(ends[0]);
        connection_ = std::make_unique<vhost_user::Connection>(
            loop_, UniqueFd(ends[1]), *device_, *device_,
            vhost_user::SessionOptions{.serve_config = serve_config_},
            [this](const std::string&) { connection_.reset(); });
    }

    /// Bounded: a descriptor that stays readable must not keep the fuzzer.
    void settle() {
        for (int turns = 0; turns < 64 && loop_.turn(std::chrono::milliseconds(0)); ++turns) {
        }
    }

    void step(MessageStep what) {
        switch (what) {
            case MessageStep::message:
                return message();
            case MessageStep::raw: {
                const auto bytes = input_.take_bytes(input_.take<std::uint8_t>());
                return send(bytes, {});
            }
            case MessageStep::poke: {
                const std::uint64_t offset = input_.take<std::uint16_t>();
                const auto bytes = input_.take_bytes(input_.take<std::uint8_t>());
                require(::pwrite(memory_.get(), bytes.data(), bytes.size(),
                                 static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes.size()),
                        "the test can write its memory");
                return;
            }
            case MessageStep::signal: {
                const auto which = input_.take<std::uint8_t>();
                if (!events_.empty()) {
                    const std::uint64_t one = 1;
                    (void)!::write(events_[which % events_.size()].get(), &one, sizeof one);
                    settle();
                }
                return;
            }
            case MessageStep::deliver:
                wire_.deliver(pattern(input_.take<std::uint16_t>()));
                return settle();
            case MessageStep::turn:
                return settle();
            case MessageStep::drain:
                return drain();
            case MessageStep::hang_up:
                front_end_.reset();
                settle();
                connection_.reset();
                return connect();
        }
    }

    void message() {
        const auto request = input_.take<std::uint8_t>();
        const auto shape = input_.take<std::uint8_t>();
        std::vector<UniqueFd> given;
        for (unsigned i = 0; i < (shape & descriptors_mask); ++i) {
            given.push_back(
                make(static_cast<Descriptor>(input_.take<std::uint8_t>() % descriptors)));
        }
        const auto payload =
            input_.take_bytes(input_.take<std::uint16_t>() % (vhost_user::max_payload + 8));
        const vhost_user::Header header{
            request,
            vhost_user::flag_version |
                ((shape & wants_reply) != 0 ? vhost_user::flag_need_reply : 0),
            static_cast<std::uint32_t>(payload.size())};
        const auto head = std::as_bytes(std::span(&header, 1));
        if ((shape & split_header) != 0) {
            for (const std::byte& byte : head) {
                send({&byte, 1}, {});
            }
            send(payload, given);
        } else if ((shape & split_payload) != 0) {
            send(head, given);
            send(payload.first(payload.size() / 2), {});
            send(payload.subspan(payload.size() / 2), {});
        } else {
            std::vector<std::byte> whole(head.begin(), head.end());
            whole.insert(whole.end(), payload.begin(), payload.end());
            send(whole, given);
        }
    }

    UniqueFd make(Descriptor kind) {
        int ends[2];
        switch (kind) {
            case Descriptor::memory:
                return UniqueFd(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0));
            case Descriptor::event: {
                UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
                events_.emplace_back(::fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
                return event;
            }
            case Descriptor::saturated: {
                // Blocking on purpose: the device must not rely on how it was made.
                UniqueFd event(::eventfd(0, EFD_CLOEXEC));
                const std::uint64_t most = 0xfffffffffffffffe;
                (void)!::write(event.get(), &most, sizeof most);
                return event;
            }
            case Descriptor::pipe_read:
            case Descriptor::pipe_write: {
                require(::pipe2(ends, O_CLOEXEC) == 0, "the test has a pipe");
                UniqueFd read(ends[0]);
                UniqueFd write(ends[1]);
                return kind == Descriptor::pipe_read ? std::move(read) : std::move(write);
            }
            case Descriptor::null:
                return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
            case Descriptor::small:
                return memory_file(4096);
            case Descriptor::empty:
                return memory_file(0);
            case Descriptor::socket:
                break;
        }
        return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }

    /// As much as the socket takes: a device that ended the connection reads no more.
    void send(std::span<const std::byte> bytes, const std::vector<UniqueFd>& with) {
        if (bytes.empty()) {
            return;
        }
        std::array<std::byte, CMSG_SPACE(16 * sizeof(int))> control{};
        iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
        msghdr envelope{};
        envelope.msg_iov = &part;
        envelope.msg_iovlen = 1;
        if (!with.empty()) {
            envelope.msg_control = control.data();
            envelope.msg_controllen = CMSG_SPACE(with.size() * sizeof(int));
            cmsghdr* const header = CMSG_FIRSTHDR(&envelope);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(with.size() * sizeof(int));
            for (std::size_t i = 0; i < with.size(); ++i) {
                const int fd = with[i].get();
                std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
            }
        }
        (void)!::sendmsg(front_end_.get(), &envelope, MSG_NOSIGNAL | MSG_DONTWAIT);
        settle();
    }

    /// Every reply is one: version 1, the flag, a length that goes with what follows.
    void drain() {
        for (;;) {
            vhost_user::Header header{};
            const ssize_t got = ::recv(front_end_.get(), &header, sizeof header, MSG_DONTWAIT);
            if (got <= 0) {
                return;
            }
            require(got == sizeof header, "a reply is cut in its header");
            require(header.flags == (vhost_user::flag_version | vhost_user::flag_reply),
                    "a reply has other flags than version 1 and reply");
            require(header.size <= vhost_user::max_payload, "a reply is longer than a message");
            std::vector<std::byte> payload(header.size);
            if (header.size > 0) {
                require(::recv(front_end_.get(), payload.data(), payload.size(), MSG_DONTWAIT) ==
                            static_cast<ssize_t>(payload.size()),
                        "a reply is cut in its payload");
            }
        }
    }

    FuzzInput& input_;
    bool serve_config_;
    EventLoop loop_;
    BenchWire wire_;
    UniqueFd memory_ = memory_file(memory_bytes);
    std::vector<UniqueFd> events_;
    UniqueFd front_end_;
    std::unique_ptr<NetDevice> device_;
    std::unique_ptr<vhost_user::Connection> connection_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    FuzzInput input(data, size);
    Player(input).play();
    return 0;
}
