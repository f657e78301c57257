#include "labs/runner/machine.h"

#include <cstdlib>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "guest/elf_image.h"
#include "guest/error.h"
#include "guest/stream.h"
#include "labs/runner/data_files.h"
#include "labs/runner/embedded_driver.h"
#include "labs/runner/lab_image.h"
#include "labs/runner/processor_thread.h"
#include "labs/runner/reaper.h"
#include "labs/runner/time_stamp_counter.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Deadlines of the phases on the host; guest_progress.cpp has the guest's. They end hangs.
constexpr auto libvirt_limit = 60s;  // 12 s were seen for a first probe of QEMU, on an idle machine
constexpr auto accelerator_limit = 40s;
constexpr auto kernel_limit = 15min;  // a download
constexpr auto configuration_limit = 10s;
constexpr auto image_limit = 2min;
constexpr auto start_limit = 60s;
constexpr auto keep_limit = 60s;

constexpr auto domain_name = "lab";
/// Of a machine that is kept and taken up again; each run's libvirt knows no other.
constexpr auto kept_uuid = "73b6b62a-0c1d-4f6e-9d55-736b62747261";
constexpr unsigned guest_mac = 0x736b62;  // behind 52:54:00; the next NIC has the next one

/// The build id of the guest's collector; empty when it was linked without one.
std::string collector_build() {
    const auto notes =
        guest::read_kernel_notes(guest::read_file(require_program("skbtrail-collect")));
    return notes ? notes->build_id : std::string();
}

}  // namespace

GuestMachine::GuestMachine(const Lab& lab, const RunOptions& options, Steering& steering,
                           fs::path directory, fs::path cache)
    : lab_(lab),
      options_(options),
      steering_(steering),
      directory_(std::move(directory)),
      cache_(std::move(cache)),
      nics_(lab, steering, directory_, options.clock == GuestClock::instructions) {}

const guest::Kernel& GuestMachine::find_parts() {
    // libvirt logs to a file of the run; it would write warnings to our standard error.
    ::setenv("LIBVIRT_LOG_OUTPUTS",
             fmt::format("3:file:{}", (directory_ / "libvirt.log").string()).c_str(), 0);
    orphans_ = std::make_unique<OrphanReaper>();
    event_loop_ = std::make_unique<EventLoop>();
    open_hypervisor();
    find_machine();
    find_kernel();
    kernel_ = steering_.await(finding_kernel_);
    if (!lab_.kernel_needs.empty()) {
        steering_.phases().start("configuration", configuration_limit);
        require_configuration(lab_, kernel_);
        steering_.phases().finish("configuration",
                                  fmt::format("{}", fmt::join(lab_.kernel_needs, " ")));
    }
    return kernel_;
}

void GuestMachine::assemble(const ResultDirectory& results,
                            std::function<guest::InitramfsRequest()> request) {
    nics_.start(results);
    steering_.background(building_, "image", image_limit,
                         [this, request = std::move(request)](const auto&, std::string& text) {
                             auto image = build_image(request());
                             const auto bytes =
                                 resumes() ? image.job.size() : fs::file_size(image.initramfs);
                             text = fmt::format("{} MiB", (bytes + (1 << 19)) >> 20);
                             return image;
                         });
    image_ = steering_.await(building_);
    auto found = steering_.await(finding_machine_);
    qemu_ = std::move(found.qemu);
    choice_ = std::move(found.choice);
    hypervisor_ = std::make_unique<Hypervisor>(steering_.await(opening_));
    steering_.wait([this] { return nics_.ready(); });
    if (in_lock_step()) hold_nics();
}

GuestMachine::Image GuestMachine::build_image(const guest::InitramfsRequest& request) const {
    try {
        if (!resumes()) return {guest::build_initramfs(request, cache_), {}};
        return {guest::build_initramfs(waiting_image(kernel_), cache_),
                guest::build_job_archive(request)};
    } catch (const guest::Error& error) {
        throw CannotRun(fmt::format("the guest of {} cannot be put together: {}",
                                    lab_file().string(), error.what()));
    }
}

void GuestMachine::open_hypervisor() {
    steering_.background(
        opening_, "libvirt", libvirt_limit, [this](const auto&, std::string& text) {
            auto uri = options_.uri;
            const auto capabilities = cache_ / "libvirt";
            if (uri.empty()) {
                prepare_embedded_driver(directory_, capabilities);
                uri = embedded_driver_uri(directory_);
            }
            Hypervisor hypervisor(uri);
            hypervisor.hypervisor_version();  // probes QEMU, if that was not done before
            if (options_.uri.empty()) {
                keep_capabilities(directory_, capabilities);
            }
            text = fmt::format("libvirt {}, {}", libvirt_version(),
                               options_.uri.empty() ? "embedded driver" : uri);
            return hypervisor;
        });
}

void GuestMachine::find_machine() {
    steering_.background(finding_machine_, "accelerator", accelerator_limit,
                         [this](std::stop_token stop, std::string& text) {
                             auto qemu = find_qemu(options_.qemu);
                             require_new_enough(qemu);
                             auto choice = choose_accelerator(
                                 in_lock_step() ? "tcg" : options_.accelerator,
                                 {.qemu = qemu, .directory = directory_, .stop = std::move(stop)},
                                 proof_memory());
                             text = fmt::format("QEMU {}; {}", qemu.version(), choice.why);
                             return Found{qemu, choice};
                         });
}

void GuestMachine::find_kernel() {
    const auto wanted = options_.kernel.empty() ? lab_.kernel : options_.kernel;
    steering_.background(finding_kernel_, "kernel", kernel_limit,
                         [this, wanted](std::stop_token stop, std::string& text) {
                             auto kernel = guest::KernelStore(cache_).resolve(
                                 wanted,
                                 [this](std::string_view line) {
                                     steering_.phases().note("kernel", std::string(line));
                                 },
                                 std::move(stop));
                             require_configuration(lab_, kernel);
                             text = kernel.release;
                             return kernel;
                         });
}

void GuestMachine::start(const fs::path& console, const std::string& domain_template,
                         const fs::path& terminal) {
    stream_ = std::make_unique<StreamListener>(directory_ / "stream.sock");
    StreamListener& stream = *stream_;
    const DomainSpec spec{
        .name = options_.uri.empty() ? domain_name : directory_.filename().string(),
        .uuid = resumes() || !options_.keep_at.empty() ? kept_uuid : "",
        .accelerator = choice_.accelerator,
        .memory_mib = lab_.memory_mib,
        .vcpus = lab_.vcpus,
        .emulator = qemu_.program,
        .kernel = fs::canonical(kernel_.vmlinux),
        .initramfs = fs::canonical(image_.initramfs),
        .command_line = kernel_command_line(counter_khz()) +
                        (lab_.boot_trace ? " " + boot_trace_parameters(*lab_.boot_trace) : "") +
                        (options_.append.empty() ? "" : " " + options_.append),
        .nics = domain_nics(),
        .stream_socket = directory_ / "stream.sock",
        .console = console,
        .terminal_socket = terminal,
        .clock = options_.clock};
    const auto xml = domain_xml(spec, guest::read_file(find_data(domain_template)));
    steering_.background(starting_, resumes() ? resume_phase : "start", start_limit,
                         [this, xml, name = spec.name](const auto&, std::string&) {
                             return resumes() ? hypervisor_->resume(options_.resume_from, name, xml)
                                              : hypervisor_->start(xml);
                         });
    steering_.watch().add(stream.fd(), [this, &stream] {
        steering_.watch().remove(stream.fd());
        stream.accept();
    });
    domain_ = std::make_unique<Domain>(steering_.await(starting_));
    if (in_lock_step()) keep_in_step();
    steering_.hear_guest(true);
    steering_.wait([&] { return stream.connected(); });
    if (resumes()) send_job();
}

std::vector<DomainNic> GuestMachine::domain_nics() const {
    std::vector<DomainNic> cards;
    for (std::size_t i = 0; i < lab_.nics.size(); ++i) {
        const auto mac = guest_mac + static_cast<unsigned>(i);
        cards.push_back({.mac = fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", mac >> 16,
                                            mac >> 8 & 0xff, mac & 0xff),
                         .queue_pairs = lab_.nics[i].queue_pairs,
                         .socket = nics_.socket(i),
                         .features = lab_.nics[i].features});
    }
    return cards;
}

void GuestMachine::send_job() {
    // A guest that does not take it is noticed by its silence; this ends with the guest, at the
    // latest.
    sending_ = std::make_unique<Task<bool>>(steering_.watch().wake_up(), [this](const auto&) {
        return guest::StreamWriter(stream_->fd()).send_job(image_.job) == 0;
    });
}

void GuestMachine::keep() {
    steering_.background(keeping_, "keep", keep_limit, [this](const auto&, std::string& text) {
        domain_->keep(options_.keep_at);
        text = fmt::format("{} MiB", fs::file_size(options_.keep_at) >> 20);
        return true;
    });
    steering_.await(keeping_);
}

std::optional<std::uint64_t> GuestMachine::counter_khz() const {
    // Its counter counts nanoseconds then, whatever the processor's counts.
    if (in_lock_step()) return 1'000'000;
    // An emulated guest reads this processor's counter, and finds its frequency out by an emulated
    // timer, which a busy machine serves late: its clock may then run eighty times too fast.
    const bool reads_ours = choice_.accelerator == Accelerator::tcg && options_.uri.empty();
    return reads_ours ? measure_time_stamp_counter() : std::nullopt;
}

void GuestMachine::hold_nics() {
    controls_ = nics_.controls();
    std::vector<NicControl*> controls;
    for (const auto& control : controls_) controls.push_back(control.get());
    lock_step_ = std::make_unique<LockStep>(std::move(controls));
}

void GuestMachine::keep_in_step() {
    const ProcessorThread processors(directory_);
    stepping_ = std::make_unique<Task<bool>>(
        steering_.watch().wake_up(), [this, processors](const std::stop_token& stop) {
            lock_step_->run([&] { return processors.look(); }, stop);
            return true;
        });
}

void GuestMachine::end() {
    Steering::stop(stepping_);
    if (options_.uri.empty()) {
        end_processes_of_run(directory_, RunProcesses::qemu);
    }
    if (domain_) {
        destroying_ = std::make_unique<Task<bool>>(
            steering_.watch().wake_up(),
            [domain = std::shared_ptr<Domain>(std::move(domain_))](const auto&) {
                domain->destroy();
                return true;
            });
    }
    steering_.hear_guest(false);
    nics_.end();
}

void GuestMachine::await_end() {
    if (destroying_) {
        steering_.await(destroying_);
    }
}

void GuestMachine::abandon() {
    Steering::stop(opening_);
    Steering::stop(finding_machine_);
    Steering::stop(finding_kernel_);
    Steering::stop(building_);
    Steering::stop(stepping_);
    // Also one that libvirt is only just starting, or asking what it can.
    end_processes_of_run(directory_, RunProcesses::qemu);
    nics_.end();
    domain_.reset();
}

bool GuestMachine::doubt_accelerator() {
    const bool kvm = choice_.accelerator == Accelerator::kvm;
    if (kvm) {
        proof_memory().forget();
    }
    return kvm;
}

fs::path GuestMachine::qemu_log() const {
    return embedded_driver_log(directory_, domain_name);
}

fs::path GuestMachine::plan_path() const {
    // With other modules loaded the lists are others.
    return has_plan()
               ? guest::KernelStore(cache_).plan_path(kernel_, collector_build(), lab_.modules)
               : fs::path();
}

void GuestMachine::keep_plan(std::string_view plan) const {
    if (has_plan()) {
        guest::KernelStore(cache_).keep_plan(kernel_, collector_build(), lab_.modules, plan);
    }
}

}  // namespace skbtrail::labs
