// Kernels to boot: by version from Debian's suites, or the user's own.
//
// A kernel is fetched with a private apt state (nothing of the machine's apt is touched, signatures
// are checked), unpacked below the cache directory and never installed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "guest/cache.h"
#include "guest/error.h"

namespace skbtrail::guest {

/// A kernel on this machine, ready to boot.
struct Kernel {
    std::string release;  ///< as uname -r has it: "6.12.95+deb12-cloud-amd64"
    /// The uncompressed ELF image, which has a PVH entry: what QEMU's -kernel gets.
    std::filesystem::path vmlinux;
    /// What /lib/modules/RELEASE would be; empty when none was found (all built in, perhaps).
    std::filesystem::path modules;
    std::filesystem::path config;      ///< empty when none was found
    std::filesystem::path system_map;  ///< empty when none was found (Debian's may be a stub)
    /// Its vmlinux with debug information, or a directory that has it as a -dbg package does, with
    /// its modules'; empty when none was found.
    std::filesystem::path debug_info;
    std::filesystem::path source;  ///< its source, as far as it is kept; empty when it is not
    std::string build_id;          ///< lower-case hex; empty when the kernel has none
    std::string package;           ///< Debian's name for it; empty for the user's own
    std::string package_version;   ///< "6.12.95-1~bpo12+1"
    std::string suite;             ///< where it came from: "bookworm-backports"
};

/// What can be fetched for one of Debian's kernels besides itself.
enum class Addition : std::uint8_t {
    debug_info,  ///< of the kernel and of its modules for networking
    source,      ///< as it was patched and built: networking, and what it stands on
};

/// A kernel that a Debian mirror has.
struct AvailableKernel {
    std::string release;
    std::string package;
    std::string package_version;
    std::string suite;
};

/// A kernel of the user's own that is kept under a name.
struct NamedBuild {
    std::string name;
    Kernel kernel;
    std::uintmax_t size = 0;  ///< bytes on disk
};

/// The kernels below one cache directory. Several processes may use one cache at once.
class KernelStore {
  public:
    explicit KernelStore(std::filesystem::path root = cache_root());

    /// What `spec` names, fetched if need be:
    /// - a version, "6.12" or "6.12.95": the newest that is already in the cache and matches; only
    ///   if there is none, the newest that the mirror has;
    /// - an exact release, "6.12.95+deb12-cloud-amd64": likewise;
    /// - the name that add_build() was given;
    /// - a path (it has a slash) to a kernel of the user's own, as find_own_build() takes it.
    /// Throws Error: no such version (and which there are), no network and nothing in the cache, an
    /// image that is none or cannot be booted this way.
    Kernel resolve(const std::string& spec, const Progress& progress = {},
                   std::stop_token stop = {});

    /// The newest that the mirror has for a version or release, fetched unless the cache has that
    /// very one. Throws Error as resolve does.
    Kernel fetch(const std::string& spec, const Progress& progress = {}, std::stop_token stop = {});

    /// Fetches what belongs to one of Debian's kernels that the cache has, unless it is there
    /// already, and returns the kernel with it. Throws Error: as fetch() does, and where the kernel
    /// is not one of Debian's.
    Kernel fetch_addition(const Kernel& kernel, Addition addition, const Progress& progress = {},
                          std::stop_token stop = {});

    /// What the cache has, oldest version first.
    std::vector<Kernel> list() const;

    /// What the mirror has, oldest version first. Throws Error.
    std::vector<AvailableKernel> available(const Progress& progress = {},
                                           std::stop_token stop = {});

    /// Copies the user's own kernel, a path as resolve() takes it, with its modules and
    /// configuration, and keeps it as `name`: a letter, then letters, digits, - and _. One of that
    /// name is replaced. Throws Error.
    Kernel add_build(const std::string& name, const std::string& spec);

    /// The kept builds, by name.
    std::vector<NamedBuild> builds() const;

    /// Removes one kernel from the cache, and its plans, by its release or the name of a kept
    /// build. Throws Error when it is not there.
    void remove(const std::string& release);

    /// Bytes on disk below the kernel's directory.
    std::uintmax_t size(const std::string& release) const;

    /// Where the prepared lists for this kernel are kept, of the collector whose build id is
    /// `collector`, with these modules. The file need not exist; if it does, it counts as used now.
    std::filesystem::path plan_path(const Kernel& kernel, std::string_view collector,
                                    const std::vector<std::string>& modules = {}) const;

    /// Keeps a plan there, until nobody has used it for a month. Throws Error when it cannot be
    /// written.
    void keep_plan(const Kernel& kernel, std::string_view collector,
                   const std::vector<std::string>& modules, std::string_view plan) const;

  private:
    std::filesystem::path kernels() const { return root_ / "kernels"; }
    std::filesystem::path named_builds() const { return root_ / "builds"; }
    FileLock lock_for_fetching(const Progress& progress) const;
    Kernel fetch_locked(const std::string& spec, const Progress& progress, std::stop_token stop);
    Kernel install(const AvailableKernel& kernel,
                   const std::vector<std::filesystem::path>& packages,
                   const std::filesystem::path& scratch, const Progress& progress,
                   std::stop_token stop);
    Kernel resolve_file(const std::string& spec);
    void remove(const Kernel& kernel) const;

    std::filesystem::path root_;
};

/// KernelStore().resolve(spec, progress).
Kernel resolve_kernel(const std::string& spec, const Progress& progress = {});

}  // namespace skbtrail::guest
