#include "guest/init/host_link.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/error.h"
#include "guest/init/system.h"

namespace skbtrail::guest {
namespace {

constexpr const char* ports = "/sys/class/virtio-ports";
/// The port's name arrives in a control message of its own, shortly behind the device.
constexpr int port_patience_ms = 5000;
constexpr std::size_t longest_job_header = 200;
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

void HostLink::receive_job(const std::string& path) {
    phase(phase::waiting);
    std::string line;
    while (!line.ends_with('\n')) {
        if (line.size() == longest_job_header) {
            throw Error("The host did not send a job, but something else.");
        }
        line += receive(1);
    }
    const auto size = parse_job_header(line);
    if (!size) {
        throw Error("The host did not send a job, but this: " + line);
    }
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (std::size_t left = *size; file >= 0 && left > 0;) {
        const std::string bytes = receive(std::min<std::size_t>(left, 65536));
        if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) break;
        left -= bytes.size();
    }
    const int error = errno;
    struct stat written{};
    const bool whole = file >= 0 && ::fstat(file, &written) == 0 &&
                       static_cast<std::size_t>(written.st_size) == *size;
    if (file >= 0) ::close(file);
    if (!whole) {
        throw Error("The job that the host sent cannot be kept in the guest's memory (" + path +
                    "): " + reason(error) + ".");
    }
}

/// Waits for bytes of the host. Nobody else has anything to do meanwhile.
std::string HostLink::receive(std::size_t most) {
    std::string bytes(most, '\0');
    while (true) {
        const ssize_t count = ::read(port_, bytes.data(), bytes.size());
        if (count > 0) {
            bytes.resize(static_cast<std::size_t>(count));
            return bytes;
        }
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            throw Error("The host's job could not be read: " + reason(errno) + ".");
        }
        if (count == 0) {
            // Nobody at the other end. One that was kept and is taken up again finds a new host
            // there, but not with its first breath.
            ::poll(nullptr, 0, 5);
        }
        pollfd ready{port_, POLLIN, 0};
        ::poll(&ready, 1, -1);
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
