// Where a stream's lines go: a pipe, a file, a terminal; and somebody who may stop reading.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "tracer/files.h"

namespace skbtrail::tracer {

class LineOutput {
  public:
    /// Writes to the file at `path`, made or emptied; "-": to the standard output. Throws Failure
    /// when that cannot be.
    explicit LineOutput(const std::string& path);

    /// Writes whole lines; waits while the reader does not read. From hurry() on it waits no longer
    /// than a second, and what then remains is not written. Throws Failure when the disk is full.
    void write(std::string_view lines);

    /// The recording is over: nobody waits for a reader who has stopped. From any thread.
    void hurry();

    /// The reader has gone: nothing more is written, which is no failure.
    [[nodiscard]] bool closed() const { return closed_; }
    /// Bytes that were not written since nobody read them.
    [[nodiscard]] std::uint64_t unread() const { return unread_; }
    [[nodiscard]] std::uint64_t written() const { return written_; }

  private:
    /// Waits until something can be written; false: nobody is going to read it.
    bool wait();

    std::string name_;
    Fd file_;
    int fd_ = -1;
    Fd hurry_;
    bool hurried_ = false;
    std::atomic<bool> closed_ = false;
    std::uint64_t unread_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace skbtrail::tracer
