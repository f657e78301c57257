#include "device/wire/tap_queue.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "device/wire/vnet_header.h"

namespace skbtrail::device {

namespace {

/// An IP packet of the greatest length behind an Ethernet header and two VLAN tags.
constexpr std::size_t longest_frame = 65535 + 14 + 8;

// linux/if_tun.h of 6.2; older headers do not have them.
constexpr unsigned tun_f_uso4 = 0x20;
constexpr unsigned tun_f_uso6 = 0x40;
constexpr unsigned every_kernel = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO;

[[noreturn]] void cannot_open(const std::string& name, const std::string& why) {
    throw std::runtime_error(fmt::format("--wire tap: cannot open {}: {}",
                                         name.empty() ? "an interface" : "\"" + name + "\"", why));
}

std::string reason(int error, bool one_of_several) {
    std::string words = std::generic_category().message(error);
    if (error == EPERM || error == EACCES) {
        return words +
               " (making an interface needs CAP_NET_ADMIN; one that exists needs to be "
               "ours: ip tuntap add NAME mode tap vnet_hdr user WHO)";
    }
    if (error == EBUSY) {
        return words + " (another program has it open)";
    }
    if (error == EINVAL) {
        return words + (one_of_several
                            ? " (it exists, and is no tap interface with multi_queue and vnet_hdr)"
                            : " (it exists, and is no tap interface with vnet_hdr and without "
                              "multi_queue)");
    }
    return words;
}

VnetHeader to_header(const Frame& frame) {
    FrameOffload offload = frame.offload;
    offload.data_valid = false;  // the kernel judges itself
    if (offload.header_length > frame.bytes.size()) {
        // A hint, and the guest's; the kernel refuses the frame when it is wrong.
        offload.header_length = 0;
    }
    return to_vnet_header(offload);
}

}  // namespace

TapQueue TapQueue::open(const std::string& name, bool one_of_several) {
    TapQueue queue;
    queue.fd_.reset(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!queue.fd_) {
        cannot_open(name, "/dev/net/tun: " + std::generic_category().message(errno));
    }
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name) {
        cannot_open(name, fmt::format("the name of an interface has at most {} letters",
                                      sizeof request.ifr_name - 1));
    }
    std::memcpy(request.ifr_name, name.data(), name.size());
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                           (one_of_several ? IFF_MULTI_QUEUE : 0));
    if (::ioctl(queue.fd_.get(), TUNSETIFF, &request) != 0) {
        cannot_open(name, reason(errno, one_of_several));
    }
    queue.name_ = request.ifr_name;
    int header_bytes = sizeof(VnetHeader);
    if (::ioctl(queue.fd_.get(), TUNSETVNETHDRSZ, &header_bytes) != 0) {
        cannot_open(queue.name_, "its header: " + std::generic_category().message(errno));
    }
    queue.offloads_.udp_segments =
        ::ioctl(queue.fd_.get(), TUNSETOFFLOAD, every_kernel | tun_f_uso4 | tun_f_uso6) == 0;
    if (!queue.offloads_.udp_segments &&
        ::ioctl(queue.fd_.get(), TUNSETOFFLOAD, every_kernel) != 0) {
        cannot_open(queue.name_, "its offloads: " + std::generic_category().message(errno));
    }
    queue.buffer_.resize(longest_frame);
    return queue;
}

std::optional<Frame> TapQueue::read() {
    VnetHeader header{};
    const std::array parts{iovec{&header, sizeof header}, iovec{buffer_.data(), buffer_.size()}};
    const ssize_t size = ::readv(fd_.get(), parts.data(), parts.size());
    if (size < static_cast<ssize_t>(sizeof header)) {
        return std::nullopt;
    }
    const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(size) - sizeof header);
    return Frame{bytes, from_vnet_header(header), Frame::any_pair, bytes};
}

bool TapQueue::write(const Frame& frame) noexcept {
    VnetHeader header = to_header(frame);
    const std::array parts{iovec{&header, sizeof header},
                           // writev() does not write there.
                           iovec{const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}};
    return ::writev(fd_.get(), parts.data(), parts.size()) >= 0;
}

}  // namespace skbtrail::device
