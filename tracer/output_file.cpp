#include "tracer/output_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tracer/chain/recording_json.h"
#include "tracer/failure.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

OutputFile::OutputFile(const std::string& path)
    : path_(path), existed_(::access(path.c_str(), F_OK) == 0) {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) fail();
}

OutputFile::~OutputFile() {
    if (!written_ && !existed_) ::unlink(path_.c_str());
}

std::uint64_t OutputFile::write(const chain::Recording& recording) {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    chain::write_json(recording, file);
    file.flush();
    const auto size = static_cast<std::int64_t>(file.tellp());
    file.close();
    if (!file) fail();
    written_ = true;
    return size < 0 ? 0 : static_cast<std::uint64_t>(size);
}

void OutputFile::fail() const {
    throw Failure(
        fmt::format("The recording cannot be written to {}: {}.", path_, std::strerror(errno)));
}

}  // namespace skbtrail::tracer
