// A cpio archive in the form that the kernel unpacks into its first root file system.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// Collects entries and writes them as a "newc" archive (Documentation/driver-api/early-userspace/
/// buffer-format.rst). The bytes depend on the entries alone: sorted, owned by root, dated 0.
/// Directories above an entry are made.
class CpioArchive {
  public:
    /// Paths are absolute in the guest: "/lab/run.sh". A second entry of one path replaces the
    /// first. Throws Error for a path that is not absolute or has "." or ".." in it.
    void add_file(const std::string& path, std::string content, unsigned mode);
    void add_directory(const std::string& path, unsigned mode = 0755);
    void add_link(const std::string& path, std::string target);
    /// A character device, which needs no privilege in an archive.
    void add_device(const std::string& path, unsigned major, unsigned minor, unsigned mode);

    /// The archive. Throws Error when libarchive fails.
    std::string bytes() const;

  private:
    struct Entry {
        unsigned type = 0;  ///< AE_IF…
        unsigned mode = 0;
        std::string content;  ///< of a file, or a link's target
        unsigned major = 0;
        unsigned minor = 0;
    };
    void add(const std::string& path, Entry entry);

    std::map<std::string, Entry> entries_;  ///< by path without the leading slash
};

}  // namespace skbtrail::guest
