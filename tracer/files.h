// Small files of the kernel's pseudo file systems, whole.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::tracer {

/// A file descriptor that closes itself.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();
    void reset();

  private:
    int fd_ = -1;
};

/// Reads the file at `path` to its end. Throws Failure, which names the file and the reason.
std::string read_file(const std::string& path);

/// The same; nothing when the file cannot be read.
std::optional<std::string> try_read_file(const std::string& path);

/// Writes `text` in one write(), as control files want it. Returns 0 or errno.
int try_write_file(const std::string& path, std::string_view text);

/// The same. Throws Failure.
void write_file(const std::string& path, std::string_view text);

/// Creates the file, or replaces what is in it. Throws Failure.
void write_whole(const std::string& path, std::string_view text);

/// The words of a line, at blanks and tabs; views into `line`.
std::vector<std::string_view> split_words(std::string_view line);

/// `text` without blanks and line ends at both sides.
std::string_view trim(std::string_view text);

}  // namespace skbtrail::tracer
