// Files that somebody else reads while they are written.
#pragma once

#include <string>

#include "device/unique_fd.h"

namespace skbtrail::device {

struct OutputFile {
    UniqueFd fd;
    bool on_disk = false;  ///< a regular file
};

/// Creates or empties `path`, mode 0644, for appending. What is no regular file (a pipe, a
/// terminal) never blocks whoever writes: its reader may stand still for ever, and write(2) fails
/// with EAGAIN then. Of a named pipe, waits here until somebody reads. Throws std::system_error
/// with the cause alone.
OutputFile open_output(const std::string& path);

}  // namespace skbtrail::device
