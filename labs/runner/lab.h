// A lab: a folder of data that says what to boot, what to do in the guest, and what is expected of
// the recording. Adding one changes no C++.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "labs/runner/boot_trace.h"

namespace skbtrail::labs {

struct Expectation;

/// One script of a lab, run in the guest.
struct LabStep {
    std::string name;
    std::string run;      ///< file of the lab's folder
    bool record = false;  ///< exactly one step of a lab is recorded
    std::chrono::seconds deadline{60};
    std::string folder = "/lab";  ///< where the guest has the file
};

/// What is changed in the guest's kernel before the recorded step: change.h.
struct LabChange {
    std::string name;  ///< of its folder or file
    std::string about;
    std::string run;                           ///< that one of its files that makes the change
    std::vector<std::filesystem::path> files;  ///< that the guest gets
    std::filesystem::path folder;              ///< which may have *.bpf.c; empty: a single file
    std::vector<std::string> modules;
    std::vector<std::string> programs;
};

/// What the NIC is plugged into, as skbtrail-nic's --wire takes it.
struct LabWire {
    std::string kind;
    /// Its options. The value of "file" is a file of the lab's folder; that of "path", where it is
    /// not absolute, is a name in the run's private directory.
    std::map<std::string, std::string> options;
};

/// A network card of the guest's.
struct LabNic {
    std::map<std::string, bool> features;
    unsigned queue_pairs = 1;  ///< that the card has; a driver may use fewer
    unsigned latency_ms = 0;   ///< between the guest's kick and the NIC's look at the ring
    LabWire wire;
};

/// lab.json, and where it is.
struct Lab {
    std::string name;  ///< the folder's
    std::filesystem::path folder;
    std::string title;
    std::string about;
    std::string kernel = "6.12";            ///< the version it was written for
    std::vector<std::string> kernel_needs;  ///< CONFIG_… that must be y or m
    /// In the order in which the guest finds them: eth0, eth1 … One at least, most_nics at most.
    std::vector<LabNic> nics = {{}};
    /// Whether it has to boot a guest of its own, instead of taking up one that has booted already.
    bool own_guest = false;
    /// What the kernel records of its boot. Such a lab has a guest of its own.
    std::optional<BootTrace> boot_trace;
    bool interrupts = false;  ///< what devices' interrupts do is recorded as chains of its own
    std::string filter;       ///< the packets that are recorded, as in pcap-filter(7); empty: all
    unsigned vcpus = 1;
    unsigned memory_mib = 512;
    std::vector<std::string> modules;
    /// Programs of the host that the guest gets, with their libraries, beside busybox.
    std::vector<std::string> programs;
    std::map<std::string, std::string> sysctls;
    std::vector<LabStep> steps;
    std::vector<std::string> show;  ///< chains of the expectation to show when it was judged
    /// What the user has changed: a step, modules and programs of the above come of it.
    std::optional<LabChange> change;

    /// Its expect.json. Throws CannotRun when there is none.
    std::filesystem::path expectation() const;
    const LabStep& recorded_step() const;
    /// "script,file=/…/wire.json,uplink=nat": what --wire gets in a run with this private
    /// directory.
    std::string wire_argument(const LabNic& nic, const std::filesystem::path& run_directory) const;
};

/// As many as the machine has slots for (domain.h).
inline constexpr std::size_t most_nics = 4;

/// Reads the text of a lab.json. Throws chain::FormatError, which names the place and, for a typo,
/// what was probably meant.
Lab parse_lab(std::string_view json, const std::filesystem::path& folder);

/// Reads the lab in `folder`, and checks that the files it names are there. Throws
/// chain::FormatError (with the file's name) or CannotRun.
Lab load_lab(const std::filesystem::path& folder);

/// Fails where the lab shows a chain that `expectation`, its own, does not have: throws
/// chain::FormatError, which says what was probably meant.
void check_shown_chains(const Lab& lab, const Expectation& expectation);

/// Folders that hold labs: `named` (--labs), then the shipped ones.
std::vector<std::filesystem::path> lab_directories(const std::vector<std::string>& named);

/// The folder of the lab called `name`; of two with the same name the first directory's. Throws
/// CannotRun: no such lab (which there are; did you mean), or a path instead of a name.
std::filesystem::path find_lab(const std::string& name,
                               const std::vector<std::filesystem::path>& directories);

/// All labs by name. A folder is a lab if it holds a lab.json.
std::map<std::string, std::filesystem::path> list_labs(
    const std::vector<std::filesystem::path>& directories);

/// Those of lab.kernel_needs that the kernel's configuration (the text of its config file) does
/// not have as y or m.
std::vector<std::string> missing_needs(const Lab& lab, std::string_view kernel_config);

}  // namespace skbtrail::labs
