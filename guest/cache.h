// Where skbtrail keeps what can be made or fetched again.
//
//   kernels/RELEASE/…      unpacked kernels, until they are removed by name (kernel_store.h)
//   builds/NAME/…          kernels of the user's own, likewise
//   initramfs/HASH.cpio    what guests boot from (initramfs.h)
//   bpf/HASH.o             BPF programs of labs
//   plans/BUILD-ID.plan    the collector's prepared lists for a kernel
//   kernels/own/…          images of kernels given by a path, unpacked
//                          (these four: while they are used, kept_files.h)
//   apt/…                  a private apt state: sources, lists, archives
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// Tells a person what takes time, one line each, without a newline.
using Progress = std::function<void(std::string_view line)>;

/// $SKBTRAIL_CACHE, else $XDG_CACHE_HOME/skbtrail, else ~/.cache/skbtrail; absolute. Throws Error
/// when none of the variables is set and the user has no home directory. Does not create it.
std::filesystem::path cache_root();

/// Holds an exclusive lock on a file (made if need be, never removed) against other processes and
/// other threads, until it goes.
class FileLock {
  public:
    /// Waits for the lock; `waiting` is called once if somebody else has it. Throws Error when the
    /// file cannot be made.
    explicit FileLock(const std::filesystem::path& path,
                      const std::function<void()>& waiting = nullptr);
    ~FileLock();
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

  private:
    int descriptor_ = -1;
};

/// A directory of its own beside the things of the cache, removed with all in it when it goes;
/// build something here, then rename it into place.
class ScratchDirectory {
  public:
    /// Makes `parent`/.scratch-XXXXXX. Throws Error when it cannot.
    explicit ScratchDirectory(const std::filesystem::path& parent);
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// Writes a whole file so that another process sees the old one or the new one, never a part.
/// Throws Error.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Reads a whole file. Throws Error.
std::string read_file(const std::filesystem::path& path);

/// `path`, or an empty one when nothing is there.
std::filesystem::path if_there(const std::filesystem::path& path);

}  // namespace skbtrail::guest
