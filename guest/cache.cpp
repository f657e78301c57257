#include "guest/cache.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <unistd.h>

#include "guest/error.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::string home_directory() {
    std::string home = variable("HOME");
    if (home.empty()) {
        if (const passwd* user = ::getpwuid(::getuid()); user != nullptr) {
            home = user->pw_dir;
        }
    }
    return home;
}

}  // namespace

fs::path cache_root() {
    if (const std::string own = variable("SKBTRAIL_CACHE"); !own.empty()) {
        return fs::absolute(own);
    }
    // The XDG specification: a relative path in the variable is to be ignored.
    if (const fs::path xdg = variable("XDG_CACHE_HOME"); xdg.is_absolute()) {
        return xdg / "skbtrail";
    }
    const fs::path home = home_directory();
    if (home.empty()) {
        throw Error(
            "There is no place for the cache: this user has no home directory. Set "
            "SKBTRAIL_CACHE to a directory with about 1 GB free.");
    }
    return fs::absolute(home) / ".cache" / "skbtrail";
}

FileLock::FileLock(const fs::path& path, const std::function<void()>& waiting) {
    std::error_code ignored;  // open() below gives the reason
    fs::create_directories(path.parent_path(), ignored);
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) {
        throw Error(fmt::format(
            "Could not make the lock {}: {}. Set SKBTRAIL_CACHE to a directory you can write to.",
            path.string(), std::strerror(errno)));
    }
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
        return;
    }
    if (waiting && errno == EWOULDBLOCK) {
        waiting();
    }
    while (::flock(descriptor_, LOCK_EX) != 0) {
        if (errno != EINTR) {
            const int reason = errno;
            ::close(descriptor_);
            throw Error(
                fmt::format("Could not lock {}: {}.", path.string(), std::strerror(reason)));
        }
    }
}

FileLock::~FileLock() {
    ::close(descriptor_);
}

ScratchDirectory::ScratchDirectory(const fs::path& parent) {
    std::error_code ignored;  // mkdtemp() below gives the reason
    fs::create_directories(parent, ignored);
    std::string name = (parent / ".scratch-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw Error(fmt::format(
            "Could not make a directory in {}: {}. Set SKBTRAIL_CACHE to a directory you can "
            "write to.",
            parent.string(), std::strerror(errno)));
    }
    path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;  // nothing to be done about it here
    fs::remove_all(path_, ignored);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
    const ScratchDirectory scratch(path.parent_path());
    const fs::path draft = scratch.path() / path.filename();
    {
        std::ofstream file(draft, std::ios::binary);
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        file.close();
        if (!file) {
            throw Error(
                fmt::format("Could not write {}: {}.", draft.string(), std::strerror(errno)));
        }
    }
    std::error_code error;
    fs::rename(draft, path, error);
    if (error) {
        throw Error(fmt::format("Could not write {}: {}.", path.string(), error.message()));
    }
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    // An empty file sets the fail bit of the target, so the source is asked, not the target.
    if (!file || fs::is_directory(path)) {
        throw Error(fmt::format("Could not read {}: {}.", path.string(),
                                std::strerror(file ? EISDIR : errno)));
    }
    text << file.rdbuf();
    if (file.bad()) {
        throw Error(fmt::format("Could not read {}: {}.", path.string(), std::strerror(errno)));
    }
    return std::move(text).str();
}

fs::path if_there(const fs::path& path) {
    return fs::exists(path) ? path : fs::path();
}

}  // namespace skbtrail::guest
