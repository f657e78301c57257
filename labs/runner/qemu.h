// Which QEMU runs the guests.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace skbtrail::labs {

/// A QEMU on this machine.
struct Qemu {
    std::filesystem::path program;
    unsigned major = 0;
    unsigned minor = 0;
    unsigned micro = 0;
    std::string version() const;
};

/// QEMU 7.2 corrupts about one guest in three under TCG; 10.0 boots them all.
inline constexpr unsigned least_qemu_major = 10;

/// Reads "QEMU emulator version 10.0.2 (…)". Throws CannotRun on anything else.
Qemu parse_qemu_version(const std::filesystem::path& program, std::string_view output);

/// The QEMU to use: `named` (--qemu), else qemu-system-x86_64 from PATH, of whatever version.
/// Throws CannotRun when there is none or it does not say what it is.
Qemu find_qemu(const std::filesystem::path& named = {});

/// Throws CannotRun when it is older than least_qemu_major.
void require_new_enough(const Qemu& qemu);

}  // namespace skbtrail::labs
