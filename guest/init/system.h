// What PID 1 asks of the kernel: file systems, modules, settings, power-off.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace skbtrail::guest {

/// Mounts /proc, /sys, /dev and what tracing needs. Throws Error when one that nothing works
/// without cannot be mounted; one that this kernel does not have is left out.
void mount_file_systems();

/// Loads uncompressed modules in order; one that is loaded already is passed over. Throws Error.
void load_modules(const std::vector<std::string>& paths);

/// Sets "net.ipv4.ip_forward" and the like. Throws Error.
void set_sysctls(const std::map<std::string, std::string>& settings);

/// Milliseconds since the kernel started (CLOCK_BOOTTIME).
std::uint64_t uptime_ms();

/// Unpacks a cpio archive over the root directory and removes it. Throws Error when it is not
/// whole.
void unpack(const std::string& archive);

/// Milliseconds on a clock for deadlines.
std::int64_t monotonic_ms();

/// Flushes and switches the machine off; does not return.
[[noreturn]] void power_off();

/// What errno `number` means, for messages.
std::string reason(int number);

}  // namespace skbtrail::guest
