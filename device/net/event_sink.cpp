#include "device/net/event_sink.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "device/output_file.h"

namespace skbtrail::device {

FileEventSink::FileEventSink(const std::string& path) : path_(path) {
    try {
        fd_ = open_output(path).fd;
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(), "cannot write ring events to " + path);
    }
}

std::uint64_t FileEventSink::write(std::string_view lines, std::uint64_t /*events*/,
                                   std::uint64_t /*sequence*/, int end) {
    while (!failed_ && !lines.empty()) {
        const ssize_t written = ::write(fd_.get(), lines.data(), lines.size());
        if (written >= 0) {
            lines.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            std::array<pollfd, 2> fds{pollfd{fd_.get(), POLLOUT, 0}, pollfd{end, POLLIN, 0}};
            ::poll(fds.data(), fds.size(), -1);
            if ((fds[0].revents & POLLOUT) == 0 && fds[1].revents != 0) {
                break;  // the NIC ends, and nobody reads
            }
        } else if (errno != EINTR) {
            spdlog::error("ring events end here: cannot write to {}: {}", path_,
                          std::strerror(errno));
            failed_ = true;
        }
    }
    // Whole or in part, a line that is still here is one that nobody gets.
    return static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace skbtrail::device
