#include "device/output_file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

namespace skbtrail::device {

OutputFile open_output(const std::string& path) {
    OutputFile file{
        UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0644))};
    struct stat status{};
    if (!file.fd || ::fstat(file.fd.get(), &status) != 0) {
        throw std::system_error(errno, std::generic_category());
    }
    file.on_disk = S_ISREG(status.st_mode);
    if (!file.on_disk &&
        ::fcntl(file.fd.get(), F_SETFL, ::fcntl(file.fd.get(), F_GETFL) | O_NONBLOCK) != 0) {
        throw std::system_error(errno, std::generic_category());
    }
    return file;
}

}  // namespace skbtrail::device
