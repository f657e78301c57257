// The machine of a run: libvirt, the accelerator, a kernel, our NICs, an image, and what boots of
// them. What does not depend on each other is made side by side.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/initramfs.h"
#include "guest/kernel_store.h"
#include "labs/runner/accelerator.h"
#include "labs/runner/domain.h"
#include "labs/runner/lab.h"
#include "labs/runner/libvirt.h"
#include "labs/runner/lock_step.h"
#include "labs/runner/nic_control.h"
#include "labs/runner/nics.h"
#include "labs/runner/orphans.h"
#include "labs/runner/qemu.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/run_options.h"
#include "labs/runner/steering.h"
#include "labs/runner/stream_listener.h"

namespace skbtrail::labs {

/// How long cleaning up may take.
inline constexpr std::chrono::seconds clean_up_limit{20};

/// The phases in which a kept guest is taken up again: no word of the guest itself yet.
inline constexpr const char* resume_phase = "resume";
inline constexpr const char* job_phase = "job sent";

class GuestMachine {
  public:
    /// `directory`: the run's own, which goes with it. Everything has to outlive this.
    GuestMachine(const Lab& lab, const RunOptions& options, Steering& steering,
                 std::filesystem::path directory, std::filesystem::path cache);

    /// Opens libvirt, proves the accelerator and finds the kernel; returns when the kernel is
    /// there. Throws NotApplicable when the lab is not meant for it.
    const guest::Kernel& find_parts();
    /// Starts the NICs, builds the image (`request` is called in a thread of its own), and waits
    /// for everything that find_parts() began.
    void assemble(const ResultDirectory& results, std::function<guest::InitramfsRequest()> request);
    /// Starts the guest, or takes up the one of RunOptions::resume_from and begins to send it what
    /// it is to do; returns when its stream is connected. `terminal`: where somebody listens for a
    /// virtio console; empty: there is none.
    void start(const std::filesystem::path& console, const std::string& domain_template,
               const std::filesystem::path& terminal = {});
    /// Puts the guest as it stands into the file RunOptions::keep_at, and ends it.
    void keep();
    /// Ends QEMU and the NICs: the guest has said all, QEMU need not be waited for, nor libvirt's
    /// slow notice of its end. Waits in await_end().
    void end();
    void await_end();
    /// Ends everything, quickly, whatever state it is in. Never throws.
    void abandon();

    const guest::Kernel& kernel() const { return kernel_; }
    const Qemu& qemu() const { return qemu_; }
    Accelerator accelerator() const { return choice_.accelerator; }
    /// A guest that does not boot under KVM may be KVM's fault after all: its proof is made again.
    /// Whether that is so.
    bool doubt_accelerator();
    StreamListener& stream() { return *stream_; }
    std::filesystem::path qemu_log() const;
    /// The collector's lists for this kernel; empty for one without a build id, or changed.
    std::filesystem::path plan_path() const;
    /// Keeps such lists for the next run, if the kernel can be told from others.
    void keep_plan(std::string_view plan) const;

  private:
    struct Found {
        Qemu qemu;
        AcceleratorChoice choice;
    };

    struct Image {
        std::filesystem::path initramfs;
        std::string job;  ///< of a guest that is taken up: what it is sent
    };

    /// The file whose members a failure is about.
    std::filesystem::path lab_file() const { return lab_.folder / "lab.json"; }
    Image build_image(const guest::InitramfsRequest& request) const;
    /// A kernel that the user changes may have other functions each time.
    bool has_plan() const { return !kernel_.build_id.empty() && !lab_.change; }
    bool resumes() const { return !options_.resume_from.empty(); }
    void send_job();
    void open_hypervisor();
    void find_machine();
    void find_kernel();
    std::vector<DomainNic> domain_nics() const;
    /// From here on the NICs wait; from keep_in_step() to the guest's end, until it is idle.
    void hold_nics();
    void keep_in_step();
    bool in_lock_step() const { return options_.clock == GuestClock::instructions; }
    std::optional<std::uint64_t> counter_khz() const;
    ProofMemory proof_memory() const { return ProofMemory(cache_ / "accelerator.json"); }

    const Lab& lab_;
    const RunOptions& options_;
    Steering& steering_;
    std::filesystem::path directory_;
    std::filesystem::path cache_;
    std::unique_ptr<OrphanReaper> orphans_;
    std::unique_ptr<EventLoop> event_loop_;
    std::unique_ptr<Hypervisor> hypervisor_;
    Nics nics_;
    std::vector<std::unique_ptr<NicControl>> controls_;
    std::unique_ptr<LockStep> lock_step_;
    std::unique_ptr<Task<bool>> stepping_;
    std::unique_ptr<StreamListener> stream_;
    Qemu qemu_;
    AcceleratorChoice choice_;
    guest::Kernel kernel_;
    Image image_;
    std::unique_ptr<Domain> domain_;
    std::unique_ptr<Task<Hypervisor>> opening_;
    std::unique_ptr<Task<Found>> finding_machine_;
    std::unique_ptr<Task<guest::Kernel>> finding_kernel_;
    std::unique_ptr<Task<Image>> building_;
    std::unique_ptr<Task<Domain>> starting_;
    std::unique_ptr<Task<bool>> sending_;
    std::unique_ptr<Task<bool>> keeping_;
    std::unique_ptr<Task<bool>> destroying_;
};

}  // namespace skbtrail::labs
