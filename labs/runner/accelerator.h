// Which accelerator runs the guests: KVM if it is proved to work, else TCG, QEMU's emulation.
//
// That /dev/kvm exists, opens and creates a virtual machine proves nothing: under some hypervisors
// a guest then spins for ever, or QEMU dies of a register that cannot be set. So a tiny guest
// (proof_guest.S) has to do what kernels do first, within a limit after which it is killed. The
// answer holds for a machine, its kernel, and a QEMU, and is remembered.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "labs/runner/domain.h"
#include "labs/runner/qemu.h"

namespace skbtrail::labs {

/// Whether KVM runs guests on this machine, and how that is known.
struct KvmProof {
    bool usable = false;
    std::string reason;  ///< "a tiny guest ran in 0.12 s", "the tiny guest did not end within 5 s"
    bool remembered = false;
    std::string when;  ///< of the proof: "2026-11-22"
};

/// What a proof needs.
struct ProofSetting {
    Qemu qemu;
    /// Where the tiny guest's image is put: a run's directory, so that whoever cleans up after a
    /// killed run finds this QEMU too.
    std::filesystem::path directory;
    std::chrono::milliseconds limit = std::chrono::seconds(5);
    std::stop_token stop;
};

/// Runs the tiny guest under KVM, or says without one why there is no point in it.
KvmProof prove_kvm(const ProofSetting& setting);

/// Runs the tiny guest under `accelerator` ("kvm", "tcg"). Throws Interrupted.
KvmProof run_proof_guest(const ProofSetting& setting, const std::string& accelerator);

/// What was found out earlier, in a file of the cache.
class ProofMemory {
  public:
    explicit ProofMemory(std::filesystem::path file) : file_(std::move(file)) {}

    /// The answer for this key (machine_key()), if one is remembered.
    std::optional<KvmProof> recall(const std::string& key) const;
    /// Never throws: what is not remembered is proved again.
    void remember(const std::string& key, const KvmProof& proof) const noexcept;
    void forget() const noexcept;

  private:
    std::filesystem::path file_;
};

/// What a proof holds for: this machine, its processor, its kernel, this QEMU, this boot's
/// hypervisor.
std::string machine_key(const Qemu& qemu);

/// The choice, and why: "TCG: KVM is here but …".
struct AcceleratorChoice {
    Accelerator accelerator = Accelerator::tcg;
    std::string why;
};

/// Chooses. `wanted`: "auto", "kvm" or "tcg". Throws CannotRun when "kvm" is wanted and does not
/// work.
AcceleratorChoice choose_accelerator(const std::string& wanted, const ProofSetting& setting,
                                     const ProofMemory& memory);

}  // namespace skbtrail::labs
