// Writing the stream, in both directions, and what the guest reads of it; stream.cpp holds what the
// host reads.
#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/stream.h"

namespace skbtrail::guest {
namespace {

using nlohmann::json;

/// What a message says in its header, "bytes" apart.
struct HeaderOf {
    json operator()(const PhaseMessage& message) const {
        json header = {{"type", "phase"}, {"name", message.name}, {"uptime_ms", message.uptime_ms}};
        if (!message.step.empty()) {
            header["step"] = message.step;
        }
        if (message.status) {
            header["status"] = *message.status;
        }
        if (message.deadline_passed) {
            header["deadline_passed"] = true;
        }
        return header;
    }
    json operator()(const CollectorMessage& message) const {
        return {{"type", "collector"}, {"step", message.step}, {"status", message.status}};
    }
    json operator()(const OutputMessage& message) const {
        const bool standard = message.stream == OutputMessage::Stream::standard_output;
        return {
            {"type", "output"}, {"step", message.step}, {"stream", standard ? "stdout" : "stderr"}};
    }
    json operator()(const FileMessage& message) const {
        json header = {{"type", "file"}, {"name", message.name}};
        if (!message.step.empty()) {
            header["step"] = message.step;
        }
        return header;
    }
    json operator()(const NoticeMessage& message) const {
        return {{"type", "notice"}, {"message", message.message}};
    }
    json operator()(const ErrorMessage& message) const {
        return {{"type", "error"}, {"message", message.message}};
    }
    json operator()(const EndMessage& message) const {
        return {{"type", "end"}, {"status", message.status}};
    }
};

/// The message's body, if its type has one.
const std::string* body_of(const Message& message) {
    if (const auto* output = std::get_if<OutputMessage>(&message)) {
        return &output->bytes;
    }
    if (const auto* file = std::get_if<FileMessage>(&message)) {
        return &file->bytes;
    }
    return nullptr;
}

/// Names and messages may hold any bytes a program wrote; what is not UTF-8 is replaced.
std::string line_of(const json& header) {
    return header.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::int64_t milliseconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

int StreamWriter::send(const Message& message) {
    json header = std::visit(HeaderOf(), message);
    const std::string* body = body_of(message);
    if (body != nullptr) {
        header["bytes"] = body->size();
    }
    const std::string line = line_of(header);
    if (line.size() > StreamDecoder::header_limit) {
        return EMSGSIZE;  // nothing was sent: the stream still stands
    }
    if (const int error = write_all(line); error != 0 || body == nullptr) {
        return error;
    }
    return write_all(*body);
}

int StreamWriter::send_file(const std::string& path, const std::string& name,
                            const std::string& step) {
    // A FIFO in the place of a file must not stop PID 1 in open().
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return errno;
    }
    struct stat status{};
    int error = ::fstat(file, &status) != 0 ? errno : 0;
    if (error == 0 && !S_ISREG(status.st_mode)) {
        error = EINVAL;
    }
    if (error == 0 && static_cast<std::size_t>(status.st_size) > StreamDecoder::file_limit) {
        error = EFBIG;
    }
    if (error == 0) {
        auto left = static_cast<std::size_t>(status.st_size);
        json header = HeaderOf()(FileMessage{.name = name, .step = step, .bytes = {}});
        header["bytes"] = left;
        error = write_all(line_of(header));
        std::array<char, 65536> chunk;
        bool readable = true;
        while (left > 0 && error == 0) {
            std::size_t count = std::min(left, chunk.size());
            if (readable) {
                const ssize_t got = ::read(file, chunk.data(), count);
                if (got < 0 && errno == EINTR) {
                    continue;
                }
                readable = got > 0;
                count = readable ? static_cast<std::size_t>(got) : count;
            }
            if (!readable) {
                std::fill_n(chunk.begin(), count, '\n');
            }
            error = write_all(std::string_view(chunk.data(), count));
            left -= count;
        }
    }
    ::close(file);
    return error;
}

int StreamWriter::send_job(std::string_view archive) {
    const int error = write_all(line_of({{"type", "job"}, {"bytes", archive.size()}}));
    return error != 0 ? error : write_all(archive);
}

std::optional<std::size_t> parse_job_header(std::string_view line) {
    const json header = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!header.is_object() || header.value("type", json()) != "job") {
        return std::nullopt;
    }
    const json bytes = header.value("bytes", json());
    if (!bytes.is_number_unsigned() || bytes < 1 || bytes > StreamDecoder::file_limit) {
        return std::nullopt;
    }
    return bytes.get<std::size_t>();
}

int StreamWriter::write_all(std::string_view bytes) {
    std::int64_t last_progress = milliseconds_now();
    while (!bytes.empty() && failure_ == 0) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
            last_progress = milliseconds_now();
            continue;
        }
        if (written < 0 && errno != EAGAIN && errno != EINTR) {
            failure_ = errno;
            break;
        }
        if (milliseconds_now() - last_progress >= patience_ms_) {
            failure_ = ETIMEDOUT;
            break;
        }
        pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
        ::poll(&ready, 1, 100);
        if ((ready.revents & POLLOUT) == 0 && (ready.revents & (POLLHUP | POLLERR)) != 0) {
            // A port whose host side is closed says so at once, every time: do not spin on it.
            ::poll(nullptr, 0, 10);
        }
    }
    return failure_;
}

}  // namespace skbtrail::guest
