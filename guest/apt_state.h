// A private apt: its own sources, lists and archives below a directory of ours, with the machine's
// proxies, credentials and keys. Nothing of the machine's own apt is written, and nothing
// installed.
#pragma once

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "guest/kernel_store.h"
#include "guest/process.h"

namespace skbtrail::guest {

/// Runs apt's programs. Not safe for two processes at once: hold the store's lock.
class AptState {
  public:
    /// Uses `directory` (made if need be). Does not run anything yet.
    AptState(std::filesystem::path directory, Progress progress, std::stop_token stop);

    /// Fetches the lists of the suites that have kernels, as far as they changed. A suite that the
    /// mirror does not have is told through Progress. Throws Error when apt is not there, no mirror
    /// is known, or nothing could be fetched and nothing is left from earlier.
    void update();

    /// The cloud kernels in the lists, oldest version first.
    std::vector<AvailableKernel> kernels() const;

    /// Downloads the packages that make up `kernel` into `target`, with their checksums and the
    /// lists' signatures checked, and returns the files. Throws Error.
    std::vector<std::filesystem::path> download(const AvailableKernel& kernel,
                                                const std::filesystem::path& target) const;

  private:
    void write_configuration() const;
    ProcessResult run(std::vector<std::string> arguments, std::chrono::seconds deadline,
                      const std::filesystem::path& working_directory = {}) const;
    std::string ask(std::vector<std::string> arguments) const;
    std::vector<std::string> with_parts(const AvailableKernel& kernel) const;
    void say(const std::string& line) const;

    std::filesystem::path directory_;
    Progress progress_;
    std::stop_token stop_;
};

}  // namespace skbtrail::guest
