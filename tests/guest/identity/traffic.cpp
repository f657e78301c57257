// What a guest does with frames that carry serial numbers: sockets that read them and say which
// they got, and senders of more. It runs in the guest, alone and statically linked.
//
// A payload is the word "skbt" and a serial number (32 bits, network order), and zeros behind.
//
// traffic receive PORT READY
//     reads UDP datagrams at PORT, and all frames with a packet socket, until a datagram with the
//     last serial number comes; prints a line for each socket: its inode, and the serial numbers it
//     got. Makes the file READY when both sockets are there.
// traffic send FROM COUNT SIZE ADDRESS PORT [SEGMENT]
//     sends COUNT datagrams of SIZE bytes, numbered from FROM on. With SEGMENT each is cut by the
//     kernel (UDP_SEGMENT), and every segment has a number of its own; so has every fragment of one
//     that is larger than an Ethernet frame.
// traffic stream FROM COUNT SIZE ADDRESS PORT
//     connects by TCP, sends COUNT payloads of SIZE bytes, numbered from FROM on, in segments of
//     that size, and reads what comes back, in such payloads, to its end; prints a line like
//     receive's.
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr std::string_view word = "skbt";
constexpr std::uint32_t last_serial = 0xffffffff;
/// Nothing has come for so long: what is missing will not come.
constexpr int patience_ms = 20'000;

std::uint32_t number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw std::invalid_argument("not a number: " + std::string(text));
    }
    return value;
}

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

sockaddr_in address_of(const char* text, std::uint32_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, text, &address.sin_addr) != 1) {
        throw std::invalid_argument(std::string("not an address: ") + text);
    }
    return address;
}

/// An ICMP error, as a packet socket shows it: it quotes the packet that it is about.
bool quotes(std::string_view frame) {
    constexpr std::size_t protocol_at = 14 + 9;
    constexpr char icmp = 1;
    return frame.starts_with(word) ? false : frame[protocol_at] == icmp;
}

/// A socket and the serial numbers that were read from it.
class Reader {
  public:
    Reader(std::string name, int fd) : name_(std::move(name)), fd_(fd) {
        // A burst must find room: what is not here was lost by the kernel, not by us.
        const int room = 8 << 20;
        (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    }

    [[nodiscard]] int fd() const { return fd_; }

    /// Reads one message; false when it was the last.
    bool read() {
        std::array<char, 70'000> buffer;
        const auto got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0) return true;
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        // A packet socket gives whole frames, and a datagram of several fragments has several.
        for (auto at = bytes.find(word); at != std::string_view::npos && at + 8 <= bytes.size();
             at = bytes.find(word, at + 8)) {
            std::uint32_t serial = 0;
            std::memcpy(&serial, bytes.data() + at + word.size(), sizeof serial);
            serial = ntohl(serial);
            if (quotes(bytes)) continue;
            if (serial == last_serial) return false;
            serials_.push_back(serial);
        }
        return true;
    }

    /// Reads a stream of payloads of `size` bytes to its end.
    void read_stream(std::size_t size) {
        std::string all;
        std::array<char, 70'000> buffer;
        for (ssize_t got = 0; (got = ::recv(fd_, buffer.data(), buffer.size(), 0)) > 0;) {
            all.append(buffer.data(), static_cast<std::size_t>(got));
        }
        for (std::size_t at = 0; at + size <= all.size(); at += size) {
            std::uint32_t serial = 0;
            std::memcpy(&serial, all.data() + at + word.size(), sizeof serial);
            if (all.compare(at, word.size(), word) == 0) serials_.push_back(ntohl(serial));
        }
    }

    void report() const {
        struct stat facts{};
        checked(::fstat(fd_, &facts), "fstat");
        std::printf("%s %lu:", name_.c_str(), static_cast<unsigned long>(facts.st_ino));
        for (const auto serial : serials_) std::printf(" %u", serial);
        std::printf("\n");
    }

  private:
    std::string name_;
    int fd_;
    std::vector<std::uint32_t> serials_;
};

int receive(std::span<char*> arguments) {
    const auto port = number(arguments[0]);
    const int udp = checked(::socket(AF_INET, SOCK_DGRAM, 0), "a UDP socket");
    const auto address = address_of("0.0.0.0", port);
    checked(::bind(udp, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    const int packet = checked(::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), "a packet socket");
    std::array readers{Reader("udp", udp), Reader("packet", packet)};
    checked(::close(checked(::creat(arguments[1], 0644), "the file that says it is ready")),
            "close");
    std::array<bool, 2> done{};
    while (!done[0] || !done[1]) {
        std::array<pollfd, 2> wanted{};
        for (std::size_t i = 0; i < readers.size(); ++i) {
            wanted[i] = {done[i] ? -1 : readers[i].fd(), POLLIN, 0};
        }
        if (::poll(wanted.data(), wanted.size(), patience_ms) <= 0) break;
        for (std::size_t i = 0; i < readers.size(); ++i) {
            if (wanted[i].revents != 0 && !readers[i].read()) done[i] = true;
        }
    }
    for (const auto& reader : readers) reader.report();
    return done[0] && done[1] ? 0 : 1;
}

int send(std::span<char*> arguments) {
    auto serial = number(arguments[0]);
    const auto count = number(arguments[1]);
    const auto size = number(arguments[2]);
    const auto address = address_of(arguments[3], number(arguments[4]));
    const auto segment = arguments.size() > 5 ? number(arguments[5]) : size;
    const int fd = checked(::socket(AF_INET, SOCK_DGRAM, 0), "a UDP socket");
    if (segment < size) {
        const int value = static_cast<int>(segment);
        checked(::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof value), "UDP_SEGMENT");
    }
    // The first fragment carries the UDP header, too.
    constexpr std::size_t first_fragment = 1500 - 20 - 8;
    const auto next = [segment, size](std::size_t at) {
        if (segment < size) return at + segment;
        return at + (at == 0 ? first_fragment : first_fragment + 8);
    };
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string payload(size, '\0');
        for (std::size_t at = 0; at + 8 <= size; at = next(at)) {
            const auto wire = htonl(serial++);
            payload.replace(at, word.size(), word);
            std::memcpy(payload.data() + at + word.size(), &wire, sizeof wire);
        }
        checked(
            static_cast<int>(::sendto(fd, payload.data(), payload.size(), 0,
                                      reinterpret_cast<const sockaddr*>(&address), sizeof address)),
            "sendto");
    }
    return 0;
}

int stream(std::span<char*> arguments) {
    auto serial = number(arguments[0]);
    const auto count = number(arguments[1]);
    const auto size = number(arguments[2]);
    const auto address = address_of(arguments[3], number(arguments[4]));
    const int fd = checked(::socket(AF_INET, SOCK_STREAM, 0), "a TCP socket");
    const int segment = static_cast<int>(size);
    checked(::setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), "TCP_MAXSEG");
    checked(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
    std::string all;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto wire = htonl(serial++);
        std::string payload(size, '\0');
        payload.replace(0, word.size(), word);
        std::memcpy(payload.data() + word.size(), &wire, sizeof wire);
        all += payload;
    }
    for (std::size_t sent = 0; sent < all.size();) {
        const auto went = ::send(fd, all.data() + sent, all.size() - sent, 0);
        checked(static_cast<int>(went), "send");
        sent += static_cast<std::size_t>(went);
    }
    checked(::shutdown(fd, SHUT_WR), "shutdown");
    Reader reader("tcp", fd);
    reader.read_stream(size);
    reader.report();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span arguments(argv, static_cast<std::size_t>(argc));
    try {
        const std::string_view mode = arguments.size() > 1 ? arguments[1] : "";
        if (mode == "receive" && arguments.size() == 4) return receive(arguments.subspan(2));
        if (mode == "stream" && arguments.size() == 7) return stream(arguments.subspan(2));
        if (mode == "send" && arguments.size() >= 7) return send(arguments.subspan(2));
        std::fprintf(stderr, "traffic: see the beginning of its source\n");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "traffic: %s\n", error.what());
    }
    return 2;
}
