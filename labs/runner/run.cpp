#include "labs/runner/run.h"

#include <cstdlib>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "guest/initramfs.h"
#include "guest/kernel_store.h"
#include "guest/stream.h"
#include "labs/check/check.h"
#include "labs/runner/accelerator.h"
#include "labs/runner/data_files.h"
#include "labs/runner/domain.h"
#include "labs/runner/embedded_driver.h"
#include "labs/runner/evidence.h"
#include "labs/runner/guest_progress.h"
#include "labs/runner/last_resort.h"
#include "labs/runner/libvirt.h"
#include "labs/runner/nic.h"
#include "labs/runner/orphans.h"
#include "labs/runner/programs.h"
#include "labs/runner/qemu.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/stream_listener.h"
#include "labs/runner/task.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Deadlines of the phases on the host; guest_progress.cpp has the guest's. They end hangs.
constexpr auto libvirt_limit = 60s;  // 12 s were seen for a first probe of QEMU, on an idle machine
constexpr auto accelerator_limit = 40s;
constexpr auto kernel_limit = 15min;  // a download
constexpr auto nic_limit = 15s;
constexpr auto image_limit = 2min;
constexpr auto start_limit = 60s;
constexpr auto join_limit = 2min;
constexpr auto check_limit = 2min;
constexpr auto clean_up_limit = 20s;

constexpr auto domain_name = "lab";
constexpr auto guest_mac = "52:54:00:73:6b:62";

/// One of our programs, or a sentence about where it was looked for.
fs::path require_program(const std::string& name) {
    const auto program = find_program(name);
    if (!program) {
        throw CannotRun(fmt::format(
            "{} was found neither beside skbtrail ({}) nor in PATH. Build it (`make build`) or "
            "install skbtrail again.",
            name, program_directory().string()));
    }
    return *program;
}

/// What QEMU and the accelerator task found out.
struct Machine {
    Qemu qemu;
    AcceleratorChoice choice;
};

/// What the domain needs, put together from the first phases.
struct Image {
    fs::path initramfs;
    bool had_plan = false;
};

class Run {
  public:
    Run(const Lab& lab, const Expectation& expectation, const RunOptions& options, PhaseLog& phases,
        const SignalWatch& signals, const std::function<void()>& tick)
        : lab_(lab),
          expectation_(expectation),
          options_(options),
          phases_(phases),
          cache_(guest::cache_root()),
          swept_(sweep_dead_runs(run_directory_base())),
          directory_(run_directory_base()),
          last_resort_(directory_.path()),
          watch_(phases, signals, tick),
          progress_(lab, phases) {}

    RunResult execute() {
        try {
            go();
            last_resort_.arm(clean_up_limit);
            phases_.start("clean-up", clean_up_limit);
            if (destroying_) {
                await(destroying_);
            }
            phases_.finish("clean-up");
            return std::move(result_);
        } catch (const Interrupted& interruption) {
            const auto phase = phases_.current();
            give_up();
            throw RunFailed(RunFailed::Cause::interrupted,
                            fmt::format("{} in phase \"{}\"", interruption.what(), phase), phase,
                            {}, kept());
        } catch (const std::exception& error) {
            // A phase that failed said so itself; else it is the one that runs.
            auto failed = phases_.failure();
            if (!failed) {
                failed = PhaseLog::Failure{phases_.current(), error.what()};
                phases_.fail(failed->phase, error.what());
            }
            give_up();
            doubt_accelerator(*failed);
            throw RunFailed(RunFailed::Cause::failed, failed->text, failed->phase, evidence(),
                            kept());
        }
    }

  private:
    void go() {
        prepare();
        start_domain();
        follow_guest();
        end_machine();
        keep_plan();
        result_.directory = results_->path();
        join();
        judge();
        if (options_.keep_logs) {
            keep_logs();
        }
    }

    // --- phases -------------------------------------------------------------------------------

    void prepare() {
        if (swept_ > 0) {
            phases_.start("sweep", 1s);
            phases_.finish("sweep", fmt::format("removed what {} killed run(s) had left", swept_));
        }
        // libvirt logs to a file of the run; it would write warnings to our standard error.
        ::setenv("LIBVIRT_LOG_OUTPUTS", fmt::format("3:file:{}", libvirt_log().string()).c_str(),
                 0);
        orphans_ = std::make_unique<OrphanReaper>();
        event_loop_ = std::make_unique<EventLoop>();
        open_hypervisor();
        find_machine();
        find_kernel();

        kernel_ = await(finding_kernel_);
        results_ = std::make_unique<ResultDirectory>(
            options_.output.empty() ? default_result_path(lab_.name, kernel_.release)
                                    : options_.output);
        start_nic();
        build_image();
        image_ = await(building_);
        machine_ = await(finding_machine_);
        hypervisor_ = std::make_unique<Hypervisor>(await(opening_));
        wait([this] { return nic_ready_; });
    }

    void open_hypervisor() {
        background(opening_, "libvirt", libvirt_limit, [this](const auto&, std::string& text) {
            auto uri = options_.uri;
            const auto capabilities = cache_ / "libvirt";
            if (uri.empty()) {
                prepare_embedded_driver(directory_.path(), capabilities);
                uri = embedded_driver_uri(directory_.path());
            }
            Hypervisor hypervisor(uri);
            hypervisor.hypervisor_version();  // probes QEMU, if that was not done before
            if (options_.uri.empty()) {
                keep_capabilities(directory_.path(), capabilities);
            }
            text = fmt::format("libvirt {}, {}", libvirt_version(),
                               options_.uri.empty() ? "embedded driver" : uri);
            return hypervisor;
        });
    }

    void find_machine() {
        background(finding_machine_, "accelerator", accelerator_limit,
                   [this](std::stop_token stop, std::string& text) {
                       auto qemu = find_qemu(options_.qemu);
                       require_new_enough(qemu);
                       auto choice = choose_accelerator(
                           options_.accelerator,
                           {.qemu = qemu, .directory = directory_.path(), .stop = std::move(stop)},
                           proof_memory());
                       text = fmt::format("QEMU {}; {}", qemu.version(), choice.why);
                       return Machine{qemu, choice};
                   });
    }

    void find_kernel() {
        const auto wanted = options_.kernel.empty() ? lab_.kernel : options_.kernel;
        background(
            finding_kernel_, "kernel", kernel_limit,
            [this, wanted](std::stop_token stop, std::string& text) {
                auto kernel = guest::KernelStore(cache_).resolve(
                    wanted,
                    [this](std::string_view line) { phases_.note("kernel", std::string(line)); },
                    std::move(stop));
                require_configuration(kernel);
                text = kernel.release;
                return kernel;
            });
    }

    void require_configuration(const guest::Kernel& kernel) const {
        if (lab_.kernel_needs.empty() || kernel.config.empty()) {
            return;
        }
        const auto missing = missing_needs(lab_, guest::read_file(kernel.config));
        if (!missing.empty()) {
            throw CannotRun(fmt::format(
                "the lab {} needs a kernel with {}, which {} was built without. Choose another "
                "one with --kernel; `skbtrail kernels list` shows them.",
                lab_.name, fmt::join(missing, ", "), kernel.release));
        }
    }

    void start_nic() {
        phases_.start("nic", nic_limit);
        nic_ = std::make_unique<Nic>(NicOptions{.program = require_program("skbtrail-nic"),
                                                .socket = nic_socket(),
                                                .wire = lab_.wire_argument(),
                                                .features = lab_.nic_features,
                                                .latency_ms = lab_.nic_latency_ms,
                                                .capture = results_->capture(),
                                                .events = results_->ring_events(),
                                                .log = results_->nic_log()});
        watch_.add(nic_->ready_fd(), [this] { nic_says(); });
        watch_.add(nic_->process_fd(), [this] {
            if (nic_ready_) {
                throw CannotRun(fmt::format("the NIC, skbtrail-nic, has ended ({}){}",
                                            nic_->ending().value_or("no reason known"),
                                            nic_->last_words()));
            }
            watch_.remove(nic_->process_fd());  // the pipe tells the same, and more
        });
    }

    void nic_says() {
        try {
            if (nic_->take_ready()) {
                nic_ready_ = true;
                watch_.remove(nic_->ready_fd());
                phases_.finish("nic", lab_.wire.kind);
            }
        } catch (const CannotRun& error) {
            phases_.fail("nic", error.what());
            throw;
        }
    }

    void build_image() {
        background(building_, "image", image_limit, [this](const auto&, std::string& text) {
            Image image;
            guest::InitramfsRequest request{.kernel = kernel_,
                                            .modules = lab_.modules,
                                            .init = require_program("skbtrail-init"),
                                            .collector = require_program("skbtrail-collect"),
                                            .files = {},
                                            .job = {}};
            request.files = guest_programs(lab_.programs);
            add_lab_files(request.files);
            request.job.sysctls = lab_.sysctls;
            request.job.environment = {{"SKBTRAIL_LAB", lab_.name}};
            for (const auto& step : lab_.steps) {
                request.job.steps.push_back({.name = step.name,
                                             .command = {"/bin/sh", "/lab/" + step.run},
                                             .record = step.record,
                                             .deadline = step.deadline});
            }
            const auto plan = plan_path();
            std::error_code error;
            image.had_plan = !plan.empty() && fs::exists(plan, error);
            if (image.had_plan) {
                request.files.push_back({plan, "/plan", 0644});
                request.job.collector = {"--plan", "/plan"};
            }
            request.job.collector.insert(request.job.collector.end(),
                                         {"--save-plan", std::string(new_plan_path)});
            request.job.return_files = {std::string(new_plan_path)};
            image.initramfs = guest::build_initramfs(request, cache_);
            text = fmt::format("{} MiB", (fs::file_size(image.initramfs) + (1 << 19)) >> 20);
            return image;
        });
    }

    void add_lab_files(std::vector<guest::GuestFile>& files) const {
        files.push_back({find_data("labs/common.sh"), "/labs/common.sh", 0644U});
        for (const auto& entry : fs::directory_iterator(lab_.folder)) {
            const auto name = entry.path().filename().string();
            if (entry.is_regular_file() && name != "lab.json" && name != "expect.json" &&
                name != "README.md") {
                const bool program =
                    (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
                files.push_back({entry.path(), "/lab/" + name, program ? 0755U : 0644U});
            }
        }
    }

    void start_domain() {
        stream_ = std::make_unique<StreamListener>(stream_socket());
        StreamListener& stream = *stream_;
        const DomainSpec spec{
            .name = options_.uri.empty() ? domain_name : directory_.path().filename().string(),
            .accelerator = machine_.choice.accelerator,
            .memory_mib = lab_.memory_mib,
            .vcpus = lab_.vcpus,
            .emulator = machine_.qemu.program,
            .kernel = fs::canonical(kernel_.vmlinux),
            .initramfs = fs::canonical(image_.initramfs),
            .command_line = kernel_command_line(machine_.choice.accelerator == Accelerator::tcg &&
                                                options_.uri.empty()) +
                            (options_.append.empty() ? "" : " " + options_.append),
            .mac = guest_mac,
            .nic_socket = nic_socket(),
            .stream_socket = stream_socket(),
            .console = results_->console(),
            .features = lab_.nic_features};
        const auto xml = domain_xml(spec, guest::read_file(find_data("qemu-configs/domain.xml")));
        background(starting_, "start", start_limit,
                   [this, xml](const auto&, std::string&) { return hypervisor_->start(xml); });
        watch_.add(stream.fd(), [this, &stream] {
            watch_.remove(stream.fd());
            stream.accept();
        });
        domain_ = std::make_unique<Domain>(await(starting_));
        wait([&] { return stream.connected(); });
    }

    void follow_guest() {
        guest::StreamDecoder decoder;
        bool closed = false;
        progress_.started();
        watch_.add(stream_->fd(), [&] {
            decoder.feed(stream_->read(closed));
            take_messages(decoder);
            if (closed && !progress_.results().ended) {
                progress_.closed(fmt::format(
                    "the guest stopped in the middle ({})",
                    decoder.finish() ? "without a word" : decoder.finish().error().message));
            }
        });
        wait([&] { return progress_.results().ended; });
        watch_.remove(stream_->fd());
    }

    void take_messages(guest::StreamDecoder& decoder) {
        while (true) {
            auto message = decoder.next();
            if (!message) {
                // A stream that only ended early is told by closed(), with what is known then.
                if (message.error().kind == guest::StreamError::Kind::ended_early) {
                    return;
                }
                throw CannotRun(fmt::format("the guest's stream cannot be understood: {}",
                                            message.error().message));
            }
            const auto& next = *message;
            if (!next) {
                return;
            }
            progress_.take(*next);
        }
    }

    /// The guest has said all: QEMU need not be waited for, nor libvirt's slow notice of its end.
    void end_machine() {
        if (options_.uri.empty()) {
            end_processes_of_run(directory_.path(), RunProcesses::qemu);
        }
        if (domain_) {
            destroying_ = std::make_unique<Task<bool>>(
                watch_.wake_up(),
                [domain = std::shared_ptr<Domain>(std::move(domain_))](const auto&) {
                    domain->destroy();
                    return true;
                });
        }
        if (nic_) {
            watch_.remove(nic_->process_fd());
            watch_.remove(nic_->ready_fd());
            nic_->end();
        }
    }

    void keep_plan() {
        const auto plan = plan_path();
        const auto& made = progress_.results().plan;
        if (!plan.empty() && made) {
            guest::write_file_atomically(plan, *made);
        }
    }

    void join() {
        const auto& sent = progress_.results().recording;
        if (!sent) {
            throw CannotRun("the guest ended without having sent a recording");
        }
        results_->write(results_->output(), progress_.results().output);
        background(
            working_, "join", join_limit, [this, &json = *sent](const auto&, std::string& text) {
                auto& recording = result_.recording;
                recording = chain::parse_recording(json);
                add_host_facts(recording);
                recording.ring_events =
                    parse_ring_events(guest::read_file(results_->ring_events()));
                result_.ring = join_ring_events(recording);
                std::ostringstream joined;
                chain::write_json(recording, joined);
                results_->write(results_->recording(), std::move(joined).str());
                text = result_.ring.note.empty()
                           ? fmt::format("{} ring events; {} of {} packets found in the ring",
                                         recording.ring_events.size(), result_.ring.joined,
                                         result_.ring.transmissions + result_.ring.arrivals)
                           : result_.ring.note;
                return true;
            });
        await(working_);
    }

    void add_host_facts(chain::Recording& recording) const {
        auto& host = recording.observed.host;
        host["lab"] = lab_.name;
        host["skbtrail"] = SKBTRAIL_VERSION;
        host["qemu"] = machine_.qemu.version();
        host["libvirt"] = libvirt_version();
        host["accelerator"] = to_string(machine_.choice.accelerator);
        host["vcpus"] = std::to_string(lab_.vcpus);
        host["memory_mib"] = std::to_string(lab_.memory_mib);
        host["wire"] = lab_.wire.kind;
        if (!kernel_.package.empty()) {
            host["kernel_package"] =
                fmt::format("{} {} ({})", kernel_.package, kernel_.package_version, kernel_.suite);
        }
    }

    void judge() {
        background(working_, "check", check_limit, [this](const auto&, std::string& text) {
            result_.verdict = check(result_.recording, expectation_);
            results_->write(results_->verdict(), to_json(result_.verdict));
            text = outcome_name(result_.verdict.outcome);
            return true;
        });
        await(working_);
    }

    // --- waiting ------------------------------------------------------------------------------

    /// Runs `work(stop, text)` in a task that is the phase: its end is the phase's, with `text`;
    /// its error the phase's failure. The task is a member, never a local: should the run be given
    /// up, what it waits for is ended before anybody waits for it.
    template <typename T, typename Work>
    void background(std::unique_ptr<Task<T>>& task, const std::string& phase,
                    std::chrono::milliseconds limit, Work work) {
        phases_.start(phase, limit);
        task = std::make_unique<Task<T>>(
            watch_.wake_up(),
            [this, phase, work = std::move(work)](const std::stop_token& stop) -> T {
                try {
                    std::string text;
                    T value = work(stop, text);
                    phases_.finish(phase, text);
                    return value;
                } catch (const std::exception& error) {
                    phases_.fail(phase, error.what());
                    throw;
                }
            });
    }

    /// Serves everything until the condition holds or any phase has failed.
    void wait(const std::function<bool()>& done) {
        watch_.until([&] { return done() || task_failed(); });
        if (const auto failure = phases_.failure(); !done() && failure) {
            throw CannotRun(failure->text);
        }
    }

    /// A failure of a task. The guest's are heard to their end (guest_progress.h).
    bool task_failed() const { return !stream_following() && phases_.failure().has_value(); }
    bool stream_following() const { return domain_ != nullptr; }

    template <typename T>
    T await(const std::unique_ptr<Task<T>>& task) {
        wait([&] { return task->done(); });
        return task->take();
    }

    // --- the end ------------------------------------------------------------------------------

    /// Ends everything, quickly, whatever state it is in. Never throws.
    void give_up() {
        phases_.mute();
        last_resort_.arm(clean_up_limit);
        save_output();
        stop(opening_);
        stop(finding_machine_);
        stop(finding_kernel_);
        stop(building_);
        // Also one that libvirt is only just starting, or asking what it can.
        end_processes_of_run(directory_.path(), RunProcesses::qemu);
        nic_.reset();
        domain_.reset();
        keep_logs();
    }

    /// A guest that does not boot under KVM may be KVM's fault after all: its proof is made again.
    void doubt_accelerator(PhaseLog::Failure& failure) const {
        if (failure.phase == "boot" && machine_.choice.accelerator == Accelerator::kvm) {
            proof_memory().forget();
            failure.text +=
                " (It ran under KVM; --accelerator tcg tells whether that is the reason.)";
        }
    }

    template <typename T>
    static void stop(const std::unique_ptr<Task<T>>& task) {
        if (task) {
            task->request_stop();
        }
    }

    /// What the steps wrote, and a recording that came although a step failed.
    void save_output() const {
        try {
            const auto& got = progress_.results();
            if (results_ && !got.output.empty()) {
                results_->write(results_->output(), got.output);
            }
            std::error_code error;
            if (results_ && got.recording && !fs::exists(results_->recording(), error)) {
                results_->write(results_->recording(), *got.recording);
            }
        } catch (const std::exception&) {
            return;  // the failure that is being told is the one that counts
        }
    }

    void keep_logs() const {
        if (!results_) {
            return;
        }
        std::error_code error;
        fs::copy_file(qemu_log(), results_->qemu_log(), fs::copy_options::overwrite_existing,
                      error);
    }

    std::vector<RunFailed::Evidence> evidence() const {
        std::vector<RunFailed::Evidence> found;
        if (!results_) {
            return found;
        }
        const auto add = [&](const char* title, const fs::path& file,
                             std::vector<std::string> lines) {
            if (!lines.empty()) {
                found.push_back({title, file, std::move(lines)});
            }
        };
        add("the guest's console", results_->console(), console_evidence(results_->console()));
        add("the NIC's log", results_->nic_log(), last_lines(results_->nic_log(), 8));
        add("QEMU's log", results_->qemu_log(), qemu_evidence(results_->qemu_log()));
        return found;
    }

    /// The result directory, if there is anything in it.
    fs::path kept() const {
        std::error_code error;
        if (!results_ || fs::remove(results_->path(), error)) {  // removes an empty one only
            return {};
        }
        return results_->path();
    }

    // --- places -------------------------------------------------------------------------------

    ProofMemory proof_memory() const { return ProofMemory(cache_ / "accelerator.json"); }
    fs::path nic_socket() const { return directory_.path() / "nic.sock"; }
    fs::path stream_socket() const { return directory_.path() / "stream.sock"; }
    fs::path libvirt_log() const { return directory_.path() / "libvirt.log"; }
    fs::path qemu_log() const { return embedded_driver_log(directory_.path(), domain_name); }
    fs::path plan_path() const {
        return kernel_.build_id.empty() ? fs::path()
                                        : guest::KernelStore(cache_).plan_path(kernel_);
    }

    const Lab& lab_;
    const Expectation& expectation_;
    const RunOptions& options_;
    PhaseLog& phases_;
    fs::path cache_;
    std::size_t swept_;
    RunDirectory directory_;  // first: what follows uses it, and ends before it
    LastResort last_resort_;
    Watch watch_;
    std::unique_ptr<OrphanReaper> orphans_;
    std::unique_ptr<EventLoop> event_loop_;
    std::unique_ptr<ResultDirectory> results_;
    std::unique_ptr<Hypervisor> hypervisor_;
    std::unique_ptr<Nic> nic_;
    bool nic_ready_ = false;
    std::unique_ptr<StreamListener> stream_;
    Machine machine_;
    guest::Kernel kernel_;
    Image image_;
    GuestProgress progress_;
    RunResult result_;
    std::unique_ptr<Domain> domain_;
    std::unique_ptr<Task<Hypervisor>> opening_;
    std::unique_ptr<Task<Machine>> finding_machine_;
    std::unique_ptr<Task<guest::Kernel>> finding_kernel_;
    std::unique_ptr<Task<Image>> building_;
    std::unique_ptr<Task<Domain>> starting_;
    std::unique_ptr<Task<bool>> working_;
    std::unique_ptr<Task<bool>> destroying_;
};

}  // namespace

RunResult run_lab(const Lab& lab, const Expectation& expectation, const RunOptions& options,
                  PhaseLog& phases, const SignalWatch& signals, const std::function<void()>& tick) {
    return Run(lab, expectation, options, phases, signals, tick).execute();
}

}  // namespace skbtrail::labs
