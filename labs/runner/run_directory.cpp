#include "labs/runner/run_directory.h"

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

constexpr auto lock_name = "owner.lock";
constexpr std::string_view prefix = "skbtrail-";
/// A directory is made under this name and gets its own once it is locked: whoever finds one under
/// its own name finds the lock held too.
constexpr std::string_view unfinished_prefix = "skbtrail-new-";
/// How long making one can take; an older unfinished one has no owner.
constexpr std::time_t unfinished_age_s = 60;

/// The longest path that libvirt makes below its root is about 60 bytes; a socket's has 107.
constexpr std::size_t longest_base = 24;

/// Whether `directory` is one of ours to judge: a real directory of this user that nobody else can
/// enter. In /tmp anybody can make something of that name.
bool is_ours(const fs::path& directory, struct stat& status) {
    return ::lstat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == ::geteuid() && (status.st_mode & 0077) == 0;
}

bool sweep_one(const fs::path& directory) {
    struct stat status{};
    if (!is_ours(directory, status)) {
        return false;
    }
    const auto name = directory.filename().string();
    device::UniqueFd lock(::open((directory / lock_name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (name.starts_with(unfinished_prefix) &&
        ::time(nullptr) - status.st_mtime < unfinished_age_s) {
        return false;
    }
    if (!lock) {
        // Without the lock's file it is either being removed right now or not a run at all.
        if (!name.starts_with(unfinished_prefix)) {
            return false;
        }
    } else if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return false;  // its owner, or the guardian of its owner, is alive
    }
    remove_run(directory);
    return true;
}

}  // namespace

fs::path run_directory_base() {
    const char* named = std::getenv("TMPDIR");
    if (named != nullptr && *named == '/' && std::string_view(named).size() <= longest_base) {
        std::error_code error;
        if (fs::is_directory(named, error)) {
            return named;
        }
    }
    return "/tmp";
}

std::size_t sweep_dead_runs(const fs::path& base) noexcept {
    std::size_t swept = 0;
    try {
        for (const auto& entry : fs::directory_iterator(base)) {
            if (entry.path().filename().string().starts_with(prefix) && sweep_one(entry.path())) {
                ++swept;
            }
        }
    } catch (const std::exception&) {
        return swept;  // the base cannot be read: making a directory in it will say so
    }
    return swept;
}

RunDirectory::RunDirectory(const fs::path& base) {
    const auto fail = [&](const char* what, int error) {
        return CannotRun(fmt::format(
            "cannot {} a private directory in {}: {}. Set TMPDIR to a short path (at most {} "
            "characters) that you can write to.",
            what, base.string(), std::generic_category().message(error), longest_base));
    };
    auto pattern = (base / (std::string(unfinished_prefix) + "XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw fail("make", errno);
    }
    path_ = pattern;
    lock_.reset(::open((path_ / lock_name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!lock_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        const auto error = errno;
        remove_run(path_);
        throw fail("lock", error);
    }
    const auto suffix = pattern.substr(pattern.size() - 6);
    const auto final_path = base / (std::string(prefix) + suffix);
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_NOREPLACE) != 0) {
        const auto error = errno;
        remove_run(path_);
        throw fail("name", error);
    }
    path_ = final_path;
    guardian_.emplace(path_, lock_.get());
}

RunDirectory::~RunDirectory() {
    remove_run(path_);
    guardian_.reset();
}

}  // namespace skbtrail::labs
