#include "labs/runner/accelerator.h"

#include <cerrno>
#include <ctime>
#include <fstream>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "guest/cache.h"
#include "guest/process.h"
#include "labs/runner/failure.h"
#include "labs/runner/phases.h"
#include "labs/runner/proof_guest.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

constexpr auto device = "/dev/kvm";
/// (0x21 << 1) | 1: the value that proof_guest.S writes to the debug-exit device, as QEMU turns it
/// into its exit status.
constexpr int status_proved = 67;

std::string today() {
    const auto now = std::time(nullptr);
    return fmt::format("{:%Y-%m-%d}", fmt::gmtime(now));
}

std::string first_line_of(const char* path, std::string_view key = {}) {
    std::ifstream stream(path);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with(key)) {
            return line;
        }
    }
    return {};
}

/// The line of QEMU's errors that says most: the last one that is not a register dump.
std::string telling_line(const std::string& errors) {
    std::string telling;
    std::size_t begin = 0;
    while (begin < errors.size()) {
        const auto end = std::min(errors.find('\n', begin), errors.size());
        const auto line = errors.substr(begin, end - begin);
        begin = end + 1;
        if (line.find("error") != std::string::npos || line.find("failed") != std::string::npos) {
            return line.substr(0, 160);
        }
        if (telling.empty()) {
            telling = line.substr(0, 160);
        }
    }
    return telling;
}

KvmProof verdict(bool usable, std::string reason) {
    return {.usable = usable, .reason = std::move(reason), .remembered = false, .when = today()};
}

}  // namespace

KvmProof run_proof_guest(const ProofSetting& setting, const std::string& accelerator) {
    const auto image = setting.directory / "proof_guest.elf";
    guest::write_file_atomically(image, proof_guest_image());
    // The same machine and processor as in qemu-configs/domain.xml: `-cpu max` is part of the
    // question, there are hosts that refuse one of its registers.
    const auto result = guest::run_process(
        {.arguments = {setting.qemu.program.string(), "-accel", accelerator, "-machine",
                       "q35,smm=off,vmport=off", "-cpu", "max", "-m", "64", "-nodefaults",
                       "-no-user-config", "-display", "none", "-no-reboot", "-kernel",
                       image.string(), "-device", "isa-debug-exit,iobase=0xf4,iosize=4"},
         .environment = {},
         .directory = {},
         .deadline = setting.limit,
         .grace = std::chrono::milliseconds(200),
         .output_limit = 65536,
         .stop = setting.stop});
    const auto said = telling_line(result.errors);
    using Ending = guest::ProcessResult::Ending;
    switch (result.ending) {
        case Ending::timed_out:
            return verdict(
                false, fmt::format("a tiny guest did not come to its end within {}{}{}",
                                   format_seconds(setting.limit), said.empty() ? "" : ": ", said));
        case Ending::stopped:
            throw Interrupted("interrupted while the accelerator was tried");
        case Ending::signalled:
            return verdict(false, fmt::format("QEMU died of it (signal {}){}{}", result.signal,
                                              said.empty() ? "" : ": ", said));
        case Ending::exited:
            break;
    }
    if (result.status != status_proved) {
        return verdict(false, fmt::format("a tiny guest went wrong (QEMU's exit status {}){}{}",
                                          result.status, said.empty() ? "" : ": ", said));
    }
    return verdict(true, fmt::format("a tiny guest ran in {}", format_seconds(result.elapsed)));
}

KvmProof prove_kvm(const ProofSetting& setting) {
    const skbtrail::device::UniqueFd opened(::open(device, O_RDWR | O_CLOEXEC));
    if (!opened) {
        const auto error = errno;
        if (error == ENOENT) {
            return verdict(false, fmt::format("there is no {}", device));
        }
        return verdict(false, fmt::format("{} cannot be opened: {}{}", device,
                                          std::generic_category().message(error),
                                          error == EACCES ? " (are you in the group kvm?)" : ""));
    }
    return run_proof_guest(setting, "kvm");
}

std::optional<KvmProof> ProofMemory::recall(const std::string& key) const {
    try {
        const auto document = nlohmann::json::parse(guest::read_file(file_));
        if (document.at("key") != key) {
            return std::nullopt;
        }
        return KvmProof{.usable = document.at("usable").get<bool>(),
                        .reason = document.at("reason").get<std::string>(),
                        .remembered = true,
                        .when = document.at("when").get<std::string>()};
    } catch (const std::exception&) {
        return std::nullopt;  // no file, or not one of ours: the proof is made again
    }
}

void ProofMemory::remember(const std::string& key, const KvmProof& proof) const noexcept {
    try {
        const nlohmann::json document{
            {"key", key}, {"usable", proof.usable}, {"reason", proof.reason}, {"when", proof.when}};
        fs::create_directories(file_.parent_path());
        guest::write_file_atomically(file_, document.dump(2) + "\n");
    } catch (const std::exception&) {
        return;  // what is not remembered is proved again
    }
}

void ProofMemory::forget() const noexcept {
    std::error_code error;
    fs::remove(file_, error);
}

std::string machine_key(const Qemu& qemu) {
    utsname kernel{};
    ::uname(&kernel);
    std::error_code error;
    const auto changed = fs::last_write_time(qemu.program, error).time_since_epoch().count();
    return fmt::format("{} | {} | {} {} | {} {} {}", first_line_of("/etc/machine-id"),
                       first_line_of("/proc/cpuinfo", "model name"), kernel.release, kernel.version,
                       qemu.program.string(), qemu.version(), changed);
}

AcceleratorChoice choose_accelerator(const std::string& wanted, const ProofSetting& setting,
                                     const ProofMemory& memory) {
    if (wanted == "tcg") {
        return {Accelerator::tcg, "TCG: it was asked for"};
    }
    // The device costs nothing to look at; what is remembered is what the tiny guest said.
    KvmProof proof;
    if (::access(device, R_OK | W_OK) != 0) {
        proof = prove_kvm(setting);
    } else {
        const auto key = machine_key(setting.qemu);
        if (const auto known = memory.recall(key)) {
            proof = *known;
        } else {
            proof = prove_kvm(setting);
            memory.remember(key, proof);
        }
    }
    const auto since =
        proof.remembered ? fmt::format(" (tried on {}; `skbtrail doctor` tries again)", proof.when)
                         : std::string();
    if (proof.usable) {
        return {Accelerator::kvm, fmt::format("KVM: {}{}", proof.reason, since)};
    }
    if (wanted == "kvm") {
        throw CannotRun(
            fmt::format("KVM was asked for and does not work here: {}{}. Without "
                        "--accelerator kvm the guest is emulated.",
                        proof.reason, since));
    }
    return {Accelerator::tcg,
            fmt::format("TCG, emulation: KVM does not work here: {}{}", proof.reason, since)};
}

}  // namespace skbtrail::labs
