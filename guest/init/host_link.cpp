#include "guest/init/host_link.h"

#include <array>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "guest/error.h"
#include "guest/init/system.h"

namespace skbtrail::guest {
namespace {

constexpr const char* ports = "/sys/class/virtio-ports";
/// The port's name arrives in a control message of its own, shortly behind the device.
constexpr int port_patience_ms = 5000;
/// A host that is busy reads late; one that has gone hangs up, which ends the wait.
constexpr int end_patience_ms = 30'000;

std::string read_line(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return {};
    }
    std::array<char, 256> text;
    const ssize_t count = ::read(file, text.data(), text.size());
    ::close(file);
    std::string line(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    return line.substr(0, line.find('\n'));
}

/// The device of the port with the stream's name, empty while there is none.
std::string find_port() {
    std::string found;
    DIR* directory = ::opendir(ports);
    if (directory == nullptr) {
        return found;
    }
    while (const dirent* entry = ::readdir(directory)) {
        const std::string name = entry->d_name;
        if (name.front() != '.' &&
            read_line(std::string(ports) + "/" + name + "/name") == stream_port_name) {
            found = "/dev/" + name;
            break;
        }
    }
    ::closedir(directory);
    return found;
}

int open_port() {
    const std::int64_t give_up = monotonic_ms() + port_patience_ms;
    std::string path = find_port();
    while (path.empty() && monotonic_ms() < give_up) {
        ::poll(nullptr, 0, 5);
        path = find_port();
    }
    if (path.empty()) {
        throw Error("There is no virtio-serial port named " + std::string(stream_port_name) +
                    " in this machine, so the guest cannot tell the host anything.");
    }
    const int port = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port < 0) {
        throw Error("The port " + path + " could not be opened: " + reason(errno) + ".");
    }
    return port;
}

}  // namespace

void to_console(const std::string& message) {
    const std::string line = "skbtrail-init: " + message + "\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

HostLink::HostLink() : port_(open_port()), writer_(port_) {}

HostLink::~HostLink() {
    ::close(port_);
}

void HostLink::send(const Message& message) {
    const int error = writer_.send(message);
    if (error != 0 && is_open()) {
        to_console("a message to the host was not sent: " + reason(error));
    }
    check();
}

void HostLink::phase(std::string_view name) {
    PhaseMessage message;
    message.name = name;
    message.uptime_ms = uptime_ms();
    send(message);
}

void HostLink::notice(const std::string& message) {
    send(NoticeMessage{message});
}

void HostLink::error(const std::string& message) {
    to_console(message);
    send(ErrorMessage{message});
}

void HostLink::file(const std::string& path, const std::string& name, const std::string& step) {
    const int error = writer_.send_file(path, name, step);
    check();
    if (error != 0 && is_open()) {
        notice("The file " + path + " of the guest was not sent: " + reason(error) + ".");
    }
}

void HostLink::end(int status) {
    send(EndMessage{status});
    // The machine must not be gone before the host has everything. The port cannot say when that
    // is: also a blocking write waits for one of the buffers under way, not for its own. So the
    // host answers the last message with a byte.
    if (!is_open()) return;
    pollfd answer{port_, POLLIN, 0};
    if (::poll(&answer, 1, end_patience_ms) == 0) {
        to_console("the host did not answer the last message");
    }
}

void HostLink::check() {
    if (!is_open() && !complained_) {
        complained_ = true;
        to_console("the stream to the host broke: " + reason(writer_.failure()));
    }
}

}  // namespace skbtrail::guest
