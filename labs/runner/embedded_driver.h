// The root directory of libvirt's embedded QEMU driver: a driver without any daemon, which lives in
// this process and keeps everything below one directory.
#pragma once

#include <filesystem>
#include <string>

namespace skbtrail::labs {

/// Prepares `root` as the embedded driver's: its configuration, and what earlier runs found out
/// about QEMU
/// (`capabilities`, a directory of the cache that need not exist). libvirt checks that knowledge
/// against the programs' dates and asks QEMU again when it is stale; asking takes 4 to 5 seconds.
/// Throws CannotRun.
void prepare_embedded_driver(const std::filesystem::path& root,
                             const std::filesystem::path& capabilities);

/// Keeps what libvirt found out about QEMU for later runs, if it is new. Never throws: it only
/// saves time.
void keep_capabilities(const std::filesystem::path& root,
                       const std::filesystem::path& capabilities) noexcept;

/// "qemu:///embed?root=ROOT".
std::string embedded_driver_uri(const std::filesystem::path& root);

/// The log that libvirt keeps of a domain's QEMU: the command line, and what QEMU wrote.
std::filesystem::path embedded_driver_log(const std::filesystem::path& root,
                                          const std::string& domain);

}  // namespace skbtrail::labs
