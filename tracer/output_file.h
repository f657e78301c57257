// The file of a recording that is one JSON document.
#pragma once

#include <cstdint>
#include <string>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// Opened early: nobody wants to learn after the command that it cannot be written. One that was
/// made for nothing is removed.
class OutputFile {
  public:
    /// Throws Failure when the file cannot be written.
    explicit OutputFile(const std::string& path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    /// Returns the recording's size in bytes. Throws Failure.
    std::uint64_t write(const chain::Recording& recording);

  private:
    [[noreturn]] void fail() const;

    std::string path_;
    bool existed_;
    bool written_ = false;
};

}  // namespace skbtrail::tracer
