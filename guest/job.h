// The job: what PID 1 does in the guest between its first breath and power-off. The host writes it
// as /job.json into the initramfs; skbtrail-init reads it. Both use this file.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::guest {

/// One program that the guest runs.
struct JobStep {
    std::string name;                  ///< unique within the job; appears in the stream's messages
    std::vector<std::string> command;  ///< program (absolute path, or in /bin) and arguments
    bool record = false;               ///< run it through skbtrail-collect
    /// How long it may take, the collector's work included. In JSON: "deadline_s".
    std::chrono::seconds deadline{60};

    bool operator==(const JobStep&) const = default;
};

/// All that PID 1 is told. Steps run in order; the first that fails ends the job.
struct JobSpec {
    /// Only boot, and wait for the host to send the job that is meant (stream.h): one boot, kept,
    /// serves many jobs. Of the other members early_modules alone counts then.
    bool deferred = false;
    /// Uncompressed modules by their path in the guest, dependencies first, loaded before the
    /// stream to the host is looked for (virtio_console, where it is a module).
    std::vector<std::string> early_modules;
    /// Likewise, loaded afterwards, so that a failure is reported to the host.
    std::vector<std::string> modules;
    /// Names as sysctl(8) has them, "net.ipv6.conf.all.disable_ipv6"; set after the modules.
    std::map<std::string, std::string> sysctls;
    /// Added to the environment of every step.
    std::map<std::string, std::string> environment;
    std::vector<JobStep> steps;
    /// Arguments for skbtrail-collect, besides --output and --status-fd, which PID 1 sets itself.
    std::vector<std::string> collector;
    /// Files to send to the host at the end, by their path in the guest, if they exist by then.
    std::vector<std::string> return_files;

    bool operator==(const JobSpec&) const = default;
};

/// The job as JSON text, ended by a newline; the same job gives the same bytes.
std::string to_json_text(const JobSpec& job);

/// Reads a job. Throws Error with a sentence that names the place (a JSON pointer) when the text is
/// not JSON, a member is missing, unknown or of the wrong type, or a value makes no sense (an empty
/// command, two steps of one name, a deadline that is not positive, a relative path).
JobSpec parse_job(std::string_view json);

}  // namespace skbtrail::guest
