#include "tracer/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = other.release();
    }
    return *this;
}

int Fd::release() {
    return std::exchange(fd_, -1);
}

void Fd::reset() {
    if (fd_ >= 0) ::close(release());
}

namespace {

/// Returns 0 or errno.
int read_all(const std::string& path, std::string& text) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno;
    // Large reads: some of these files format their text anew for each one.
    std::size_t used = 0;
    text.resize(1U << 16U);
    for (;;) {
        if (text.size() - used < (1U << 15U)) text.resize(text.size() * 2);
        const ssize_t got = ::read(fd.get(), text.data() + used, text.size() - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) break;
        used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return 0;
}

}  // namespace

std::string read_file(const std::string& path) {
    std::string text;
    if (const int error = read_all(path, text); error != 0) {
        throw Failure(fmt::format("Cannot read {}: {}.", path, std::strerror(error)));
    }
    return text;
}

std::optional<std::string> try_read_file(const std::string& path) {
    std::string text;
    if (read_all(path, text) != 0) return std::nullopt;
    return text;
}

int try_write_file(const std::string& path, std::string_view text) {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
    if (!fd) return errno;
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0) return errno;
    return static_cast<std::size_t>(written) == text.size() ? 0 : EIO;
}

void write_file(const std::string& path, std::string_view text) {
    if (const int error = try_write_file(path, text); error != 0) {
        throw Failure(
            fmt::format("Cannot write \"{}\" to {}: {}.", trim(text), path, std::strerror(error)));
    }
}

void write_whole(const std::string& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) throw Failure(fmt::format("Cannot write {}: {}.", path, std::strerror(errno)));
}

std::vector<std::string_view> split_words(std::string_view line) {
    std::vector<std::string_view> words;
    constexpr std::string_view blanks = " \t";
    for (auto begin = line.find_first_not_of(blanks); begin != std::string_view::npos;
         begin = line.find_first_not_of(blanks, begin)) {
        const auto end = line.find_first_of(blanks, begin);
        words.push_back(line.substr(begin, end - begin));
        if (end == std::string_view::npos) break;
        begin = end;
    }
    return words;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace skbtrail::tracer
