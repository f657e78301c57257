#include "labs/runner/doctor.h"

#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "guest/kernel_store.h"
#include "labs/runner/accelerator.h"
#include "labs/runner/data_files.h"
#include "labs/runner/embedded_driver.h"
#include "labs/runner/lab.h"
#include "labs/runner/last_resort.h"
#include "labs/runner/libvirt.h"
#include "labs/runner/orphans.h"
#include "labs/runner/qemu.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/task.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using State = Finding::State;

constexpr unsigned least_libvirt = 11;
constexpr std::uintmax_t little_space = std::uintmax_t{2} << 30;

/// Bytes of all files below `directory`.
std::uintmax_t size_of(const fs::path& directory) {
    std::uintmax_t total = 0;
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(
             directory, fs::directory_options::skip_permission_denied, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        if (entry->is_regular_file(error) && !entry->is_symlink(error)) {
            total += entry->file_size(error);
        }
    }
    return total;
}

std::string mebibytes(std::uintmax_t bytes) {
    return fmt::format("{} MiB", bytes >> 20);
}

class Doctor {
  public:
    Doctor(const DoctorOptions& options, const SignalWatch& signals,
           const std::function<void(const Finding&)>& tell)
        : options_(options),
          tell_(tell),
          cache_(guest::cache_root()),
          swept_(sweep_dead_runs(run_directory_base())),
          directory_(run_directory_base()),
          last_resort_(directory_.path()),
          phases_([] { return std::chrono::steady_clock::now(); }, {}),
          watch_(phases_, signals, {}) {}

    ~Doctor() { last_resort_.arm(20s); }
    Doctor(const Doctor&) = delete;
    Doctor& operator=(const Doctor&) = delete;

    void examine() {
        try {
            qemu();
            libvirt();
            accelerators();
            programs();
            labs();
            cache();
            kernels();
            if (!options_.offline) {
                mirror();
            }
            runs();
        } catch (const Interrupted&) {
            end_processes_of_run(directory_.path());
            throw;
        }
    }

  private:
    void good(const char* subject, const std::string& text) {
        tell_({State::good, subject, text, {}});
    }
    void notable(const char* subject, const std::string& text, const std::string& advice) {
        tell_({State::notable, subject, text, advice});
    }
    void bad(const char* subject, const std::string& text, const std::string& advice) {
        tell_({State::bad, subject, text, advice});
    }

    /// Runs `work` with a deadline; Ctrl-C ends the wait. The task stays in the member that it is
    /// made in, whose destruction waits for it.
    template <typename T>
    T within(std::optional<Task<T>>& task, const char* phase, std::chrono::milliseconds limit,
             std::function<T(std::stop_token)> work) {
        phases_.start(phase, limit);
        task.emplace(watch_.wake_up(), std::move(work));
        watch_.until([&] { return task->done(); });
        phases_.finish(phase);
        return task->take();
    }

    void qemu() {
        try {
            qemu_ = within<Qemu>(qemu_task_, "QEMU", 30s,
                                 [this](const auto&) { return find_qemu(options_.qemu); });
            require_new_enough(*qemu_);
            good("QEMU", fmt::format("{}, {}", qemu_->version(), qemu_->program.string()));
        } catch (const Interrupted&) {
            throw;
        } catch (const std::exception& error) {
            bad("QEMU", error.what(), "Nothing boots without it.");
        }
    }

    void libvirt() {
        const auto advice =
            "On Debian 12: apt install -t bookworm-backports libvirt0 "
            "libvirt-daemon-driver-qemu (`make setup` does it).";
        try {
            ::setenv("LIBVIRT_LOG_OUTPUTS",
                     fmt::format("3:file:{}", (directory_.path() / "libvirt.log").string()).c_str(),
                     0);
            orphans_.emplace();
            event_loop_.emplace();
            const auto version = libvirt_version();
            const auto probed =
                within<unsigned long>(libvirt_task_, "libvirt", 60s, [this](const auto&) {
                    const auto capabilities = cache_ / "libvirt";
                    prepare_embedded_driver(directory_.path(), capabilities);
                    const Hypervisor hypervisor(embedded_driver_uri(directory_.path()));
                    const auto qemu_version = hypervisor.hypervisor_version();
                    keep_capabilities(directory_.path(), capabilities);
                    return qemu_version;
                });
            const auto text = fmt::format("{}, its embedded QEMU driver works (QEMU {})", version,
                                          format_libvirt_version(probed));
            if (std::stoul(version) < least_libvirt) {
                notable(
                    "libvirt", text,
                    fmt::format("Before version {} it asks QEMU three times longer what it can. {}",
                                least_libvirt, advice));
            } else {
                good("libvirt", text);
            }
        } catch (const Interrupted&) {
            throw;
        } catch (const std::exception& error) {
            bad("libvirt", error.what(), advice);
        }
    }

    void accelerators() {
        if (!qemu_) {
            return;
        }
        try {
            const auto proofs = within<std::pair<KvmProof, KvmProof>>(
                proof_task_, "accelerator", 60s, [this](std::stop_token stop) {
                    ProofSetting setting{
                        .qemu = *qemu_, .directory = directory_.path(), .stop = std::move(stop)};
                    const auto kvm = prove_kvm(setting);
                    setting.limit = 20s;
                    return std::pair(kvm, run_proof_guest(setting, "tcg"));
                });
            const auto& [kvm, tcg] = proofs;
            ProofMemory(cache_ / "accelerator.json").remember(machine_key(*qemu_), kvm);
            if (kvm.usable) {
                good("KVM", kvm.reason);
            } else {
                notable("KVM", fmt::format("not usable: {}", kvm.reason),
                        "Guests are emulated (TCG): everything works, a run takes some seconds "
                        "more.");
            }
            if (tcg.usable) {
                good("TCG", tcg.reason);
            } else {
                bad("TCG", fmt::format("not usable: {}", tcg.reason),
                    "Install QEMU again; is the machine very busy?");
            }
        } catch (const Interrupted&) {
            throw;
        } catch (const std::exception& error) {
            bad("accelerator", error.what(), "Is QEMU installed completely?");
        }
    }

    void programs() {
        for (const auto* name : {"skbtrail-nic", "skbtrail-init", "skbtrail-collect"}) {
            if (const auto program = find_program(name)) {
                good(name, program->string());
            } else {
                bad(name,
                    fmt::format("not found beside skbtrail ({}) or in PATH",
                                program_directory().string()),
                    "Build it (`make build`), or install skbtrail again.");
            }
        }
        std::error_code error;
        const fs::path busybox = "/bin/busybox";
        if (fs::exists(busybox, error)) {
            good("busybox", busybox.string());
        } else {
            bad("busybox", "there is no /bin/busybox", "apt install busybox-static");
        }
    }

    void labs() {
        const auto directories = lab_directories(options_.lab_directories);
        std::vector<std::string> names;
        for (const auto& [name, folder] : list_labs(directories)) {
            try {
                load_lab(folder);
                names.push_back(name);
            } catch (const std::exception& error) {
                bad("labs", error.what(), "Mend the file, or do not run this lab.");
            }
        }
        if (names.empty()) {
            bad("labs", "there are none", "Install skbtrail again, or use --labs DIR.");
        } else {
            good("labs", fmt::format("{}", fmt::join(names, ", ")));
        }
    }

    void cache() {
        std::error_code error;
        fs::create_directories(cache_, error);
        const auto space = fs::space(cache_, error);
        if (error) {
            bad("cache", fmt::format("{}: {}", cache_.string(), error.message()),
                "Set SKBTRAIL_CACHE to a directory that you can write to.");
            return;
        }
        const auto text = fmt::format("{}: kernels {}, images {}, all {}; {} free", cache_.string(),
                                      mebibytes(size_of(cache_ / "kernels")),
                                      mebibytes(size_of(cache_ / "initramfs")),
                                      mebibytes(size_of(cache_)), mebibytes(space.available));
        if (space.available < little_space) {
            notable("cache", text,
                    "A kernel takes about 200 MiB: make room, or `skbtrail kernels remove`.");
        } else {
            good("cache", text);
        }
    }

    void kernels() {
        std::vector<std::string> releases;
        for (const auto& kernel : guest::KernelStore(cache_).list()) {
            releases.push_back(kernel.release);
        }
        if (releases.empty()) {
            notable("kernels", "none in the cache yet",
                    "`skbtrail kernels fetch 6.12` gets one; a run does it by itself.");
        } else {
            good("kernels", fmt::format("{}", fmt::join(releases, ", ")));
        }
    }

    void mirror() {
        try {
            const auto available =
                within<std::size_t>(mirror_task_, "mirror", 5min, [this](std::stop_token stop) {
                    return guest::KernelStore(cache_).available({}, std::move(stop)).size();
                });
            good("mirror",
                 fmt::format("Debian's mirror answers; it has {} cloud kernels", available));
        } catch (const Interrupted&) {
            throw;
        } catch (const std::exception& error) {
            notable("mirror", error.what(),
                    "Kernels in the cache and your own can be run without it.");
        }
    }

    void runs() {
        if (swept_ == 0) {
            good("runs", "no dead run has left anything behind");
        } else {
            good("runs", fmt::format("removed what {} killed run(s) had left", swept_));
        }
    }

    const DoctorOptions& options_;
    const std::function<void(const Finding&)>& tell_;
    fs::path cache_;
    std::size_t swept_;
    RunDirectory directory_;
    LastResort last_resort_;
    PhaseLog phases_;
    Watch watch_;
    std::optional<OrphanReaper> orphans_;
    std::optional<EventLoop> event_loop_;
    std::optional<Qemu> qemu_;
    std::optional<Task<Qemu>> qemu_task_;
    std::optional<Task<unsigned long>> libvirt_task_;
    std::optional<Task<std::pair<KvmProof, KvmProof>>> proof_task_;
    std::optional<Task<std::size_t>> mirror_task_;
};

}  // namespace

void examine(const DoctorOptions& options, const SignalWatch& signals,
             const std::function<void(const Finding&)>& tell) {
    Doctor(options, signals, tell).examine();
}

}  // namespace skbtrail::labs
