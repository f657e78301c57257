// The virtual machine of a run, as libvirt's domain XML.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "labs/runner/guest_clock.h"

namespace skbtrail::labs {

enum class Accelerator : std::uint8_t { tcg, kvm };

/// "tcg" or "kvm".
const char* to_string(Accelerator accelerator);

/// A network card of the machine's.
struct DomainNic {
    std::string mac;
    unsigned queue_pairs = 1;
    std::filesystem::path socket;  ///< skbtrail-nic listens here
    /// Device features by the NIC's names ("mrg_rxbuf"): those that libvirt can switch are switched
    /// in QEMU too, so that neither end offers what the lab excludes.
    std::map<std::string, bool> features;
};

/// What a run decides about its virtual machine. Everything else is in qemu-configs/domain.xml.
struct DomainSpec {
    std::string name;  ///< short: it becomes part of socket paths
    /// What the machine is known by beyond one run: a kept guest is taken up again as the same
    /// machine only. Empty: libvirt makes one up.
    std::string uuid;
    Accelerator accelerator = Accelerator::tcg;
    unsigned memory_mib = 512;
    unsigned vcpus = 1;
    std::optional<std::filesystem::path> emulator;  ///< libvirt's choice when there is none
    std::filesystem::path kernel;
    std::filesystem::path initramfs;
    std::string command_line;
    /// One at least. The first is the template's, and stands in a slot behind which there is room
    /// for three more.
    std::vector<DomainNic> nics;
    std::filesystem::path stream_socket;  ///< we listen here; QEMU connects
    std::filesystem::path console;        ///< file that gets the serial console
    /// A virtio console (hvc0), for a person: we listen here, QEMU connects; empty: there is none.
    std::filesystem::path terminal_socket;
    GuestClock clock = GuestClock::real;
};

/// Fills the template (the text of qemu-configs/domain.xml). Throws CannotRun when the template
/// lacks a place that has to be filled.
std::string domain_xml(const DomainSpec& spec, const std::string& domain_template);

/// The guest kernel's command line: quick under emulation, quiet on the way, all said on the
/// serial console, and at a panic over at once. `counter_khz`: how fast the guest's time stamp
/// counter runs, where that is known before it boots.
std::string kernel_command_line(std::optional<std::uint64_t> counter_khz);

}  // namespace skbtrail::labs
