// Which lines of a log tell why a run failed.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace skbtrail::labs {

class Steering;

/// The end of the guest's console; when the kernel panicked, from the panic on.
std::vector<std::string> console_evidence(const std::filesystem::path& console);

/// Whether `sentence` quotes what a program of skbtrail wrote at the end of `lines`, a log's: then
/// the sentence says it all, and the log nothing more.
bool is_quoted(const std::vector<std::string>& lines, const std::string& sentence);

/// How the guest's kernel ended, as its console tells it, in words that follow "the guest ": that
/// it panicked, powered off, restarted or halted. Empty when it says none of these.
std::string console_ending(const std::filesystem::path& console);

/// The same of a guest that has just closed its stream: a kernel that powers off resets its
/// devices, and with them the stream, before it says so. Waits for up to `limit`; throws as
/// Steering::wait() does, for one when the user interrupts.
std::string awaited_ending(Steering& steering, const std::filesystem::path& console,
                           std::chrono::milliseconds limit);

/// The end of libvirt's log of QEMU without QEMU's command line: what QEMU itself wrote.
std::vector<std::string> qemu_evidence(const std::filesystem::path& log);

}  // namespace skbtrail::labs
