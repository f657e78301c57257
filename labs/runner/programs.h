// Programs of the host's packages for the guest: busybox is there always, what else a lab needs
// (nft, tc, nc.openbsd) comes with the libraries that it is linked with.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "guest/initramfs.h"

namespace skbtrail::labs {

/// Collects the files that make programs of this machine run in a guest, each file once.
class GuestPrograms {
  public:
    /// `program` as `destination`, its libraries and the loader at their paths. Throws CannotRun
    /// when a library is not installed.
    void add(const std::filesystem::path& program, const std::string& destination);
    const std::vector<guest::GuestFile>& files() const { return files_; }

  private:
    std::vector<guest::GuestFile> files_;
    std::set<std::string> libraries_;
};

/// The files that make the programs (by name, as in PATH or an sbin directory) run in a guest: each
/// as /bin/NAME, its libraries and the loader at their paths. Throws CannotRun: a program that is
/// not installed, or a library of it that is not.
std::vector<guest::GuestFile> guest_programs(const std::vector<std::string>& names);

/// The libraries in what the loader's --list printed, with the loader itself: absolute paths, in
/// the order in which they stand there. Throws CannotRun for one that was not found; `program` is
/// for the sentence.
std::vector<std::string> listed_libraries(const std::string& listing, const std::string& program);

}  // namespace skbtrail::labs
