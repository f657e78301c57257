// What a guest boots into: an initramfs with busybox, the modules it needs, PID 1, the collector,
// and one job with the lab's files.
//
// It is made of two concatenated cpio archives (the kernel unpacks one after the other). The first
// depends on the kernel and on our programs only, and is kept; the second is small and belongs to
// the run. Both are content-addressed: the same input gives the same bytes under the same name, and
// is not built again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest/job.h"
#include "guest/kernel_store.h"

namespace skbtrail::guest {

/// A file to put into the guest.
struct GuestFile {
    std::filesystem::path source;  ///< on the host
    std::string destination;       ///< absolute, in the guest: "/lab/run.sh"
    unsigned mode = 0644;          ///< permission bits; 0755 for a program
};

/// All that makes an initramfs.
struct InitramfsRequest {
    Kernel kernel;
    /// Modules by name ("virtio_net"; '-' and '_' are the same); what they depend on comes with
    /// them, in order. Those built into the kernel are left out without a word.
    std::vector<std::string> modules;
    std::filesystem::path init;                      ///< skbtrail-init, a static program
    std::filesystem::path collector;                 ///< skbtrail-collect, a static program
    std::filesystem::path busybox = "/bin/busybox";  ///< a static one
    std::vector<GuestFile> files;
    /// The job; its modules and early_modules are filled in here.
    JobSpec job;
};

/// Builds it below the cache directory, or finds it there, and returns the path of the file that
/// -initrd gets. Safe with several processes at once. Throws Error: a module the kernel does not
/// have, a program that is not there or not static, a file that cannot be read.
std::filesystem::path build_initramfs(const InitramfsRequest& request,
                                      const std::filesystem::path& cache = cache_root());

/// What a guest is sent whose job was deferred, for it to do what it would do had it booted from
/// the initramfs of `request`: an archive of the modules, the files and the job. Throws as
/// build_initramfs() does.
std::string build_job_archive(const InitramfsRequest& request);

}  // namespace skbtrail::guest
