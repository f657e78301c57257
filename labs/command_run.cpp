// skbtrail run: a lab in a guest, recorded and judged.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guest/cache.h"
#include "labs/batch/matrix.h"
#include "labs/batch/pool.h"
#include "labs/batch/result.h"
#include "labs/check/expectation_json.h"
#include "labs/command.h"
#include "labs/run_arguments.h"
#include "labs/runner/change.h"
#include "labs/runner/domain.h"
#include "labs/runner/failure.h"
#include "labs/runner/kept_guest.h"
#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/progress_view.h"
#include "labs/runner/run.h"
#include "labs/runner/watch.h"
#include "labs/show/show.h"
#include "labs/start_anew.h"

namespace skbtrail::labs {
namespace {

ProgressView::Style progress_style(const RunArguments& arguments) {
    ProgressView::Style style;
    style.quiet = arguments.quiet;
    style.verbose = arguments.verbose;
    style.live = ::isatty(STDERR_FILENO) == 1;
    winsize size{};
    if (style.live && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        style.columns = size.ws_col;
    }
    return style;
}

/// The chains that the lab wants seen, as far as the verdict found them.
void show_chains(const Lab& lab, const RunResult& result, const ShowOptions& options) {
    for (const auto& name : lab.show) {
        const auto& verdicts = result.verdict.chains;
        const auto found = std::find_if(verdicts.begin(), verdicts.end(),
                                        [&](const auto& verdict) { return verdict.name == name; });
        if (found == verdicts.end() || found->chains.empty()) {
            continue;
        }
        const auto& chains = result.recording.chains;
        const auto chain = std::find_if(chains.begin(), chains.end(), [&](const auto& candidate) {
            return candidate.id == found->chains.front();
        });
        if (chain == chains.end()) {
            continue;
        }
        auto only = options;
        if (!found->packets.empty()) {
            only.packet = found->packets.front();
        }
        std::cout << name << "\n";
        show_chain(std::cout, result.recording, *chain, only);
        std::cout << "\n";
    }
}

void tell_failure(const RunFailed& failure) {
    if (failure.cause() == RunFailed::Cause::interrupted || failure.phase().empty()) {
        fmt::print(stderr, "\nskbtrail: {}\n", printable(failure.what()));
    } else {
        fmt::print(stderr, "\nskbtrail: the run failed in phase \"{}\": {}\n", failure.phase(),
                   printable(failure.what()));
    }
    for (const auto& evidence : failure.evidence()) {
        fmt::print(stderr, "\nThe last lines of {} ({}):\n", evidence.title,
                   evidence.file.string());
        for (const auto& line : evidence.lines) {
            fmt::print(stderr, "    {}\n", line);
        }
    }
    if (!failure.directory().empty()) {
        fmt::print(stderr, "\nAll that was recorded of this run is in {}\n",
                   failure.directory().string());
    }
}

/// Leaves what came of the run where programs find it: in the result directory, and where the user
/// wants it.
void write_result(const RunArguments& arguments, batch::LabResult result,
                  const std::filesystem::path& directory, double seconds) {
    result.lab = arguments.labs.front();
    result.kernel = arguments.run.kernel;
    result.seconds = seconds;
    result.directory = directory.string();
    if (!directory.empty()) {
        guest::write_file_atomically(directory / "result.json", to_json(result));
    }
    if (!arguments.result_file.empty()) {
        guest::write_file_atomically(arguments.result_file, to_json(result));
    }
}

batch::LabResult result_of(const RunFailed& failure) {
    auto result = failure.verdict() ? batch::result_of(*failure.verdict()) : batch::LabResult();
    result.text = failure.what();
    switch (failure.cause()) {
        case RunFailed::Cause::failed:
        case RunFailed::Cause::not_resumed:
            result.outcome = batch::LabOutcome::failed;
            break;
        case RunFailed::Cause::interrupted:
            result.outcome = batch::LabOutcome::interrupted;
            break;
        case RunFailed::Cause::not_applicable:
            result.outcome = batch::LabOutcome::skipped;
            break;
    }
    return result;
}

/// So often is a lab run in all before lost events are the last word.
constexpr int most_attempts = 3;

/// Whether the run is worth making again: what keeps it from being judged is what was lost. The
/// kernel does not show BPF what an interrupt receives that came in the middle of the BPF program,
/// about once in a thousand packets.
bool is_worth_another(const RunResult& result, int attempt) {
    return attempt < most_attempts && result.verdict.outcome == Outcome::not_judgeable &&
           chain::total(result.recording.losses) > 0;
}

/// Ends together with the program that started this one, as one of many runs.
void end_with_parent() {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() == 1) throw CannotRun("the program that started this run has ended");
}

/// The one that the user named, else the lab's own.
Expectation expectation_for(const Lab& lab, const RunArguments& arguments) {
    if (!arguments.expectation.empty()) return load_expectation(arguments.expectation);
    auto expectation = load_expectation(lab.expectation().string());
    check_shown_chains(lab, expectation);
    return expectation;
}

/// Returns the exit status; nothing: the run has to be made again.
std::optional<int> run_once(RunArguments& arguments) {
    if (arguments.exit_with_parent) end_with_parent();
    if (!arguments.kernels.empty()) arguments.run.kernel = arguments.kernels.front();
    auto lab =
        load_lab(find_lab(arguments.labs.front(), lab_directories(arguments.lab_directories)));
    if (!arguments.change.empty()) lab = with_change(std::move(lab), load_change(arguments.change));
    // Before anything is booted: a typo in an expectation should not cost a boot.
    const bool keeps = !arguments.run.keep_at.empty();
    const auto expectation = keeps ? Expectation() : expectation_for(lab, arguments);

    // A closed pipe behind us is an error of that write, not the end of the run.
    ::signal(SIGPIPE, SIG_IGN);
    const SignalWatch signals;
    ProgressView view(stderr, progress_style(arguments));
    PhaseLog phases([] { return std::chrono::steady_clock::now(); },
                    [&](const PhaseEvent& event) { view.show(event); }, arguments.deadline_scale);
    const auto seconds = [&] { return std::chrono::duration<double>(phases.elapsed()).count(); };
    if (keeps) {
        keep_guest(lab, arguments.run, phases, signals, [&] { view.tick(); });
        view.clear();
        return exit_passed;
    }
    try {
        const auto result =
            run_lab(lab, expectation, arguments.run, phases, signals, [&] { view.tick(); });
        view.clear();
        if (is_worth_another(result, arguments.attempt)) {
            fmt::print(stderr,
                       "skbtrail: {} events were lost where the verdict needs them, so the lab is "
                       "run again ({} of {})\n",
                       chain::total(result.recording.losses), arguments.attempt + 1, most_attempts);
            return std::nullopt;
        }
        write_result(arguments, batch::result_of(result.verdict), result.directory, seconds());
        const auto options = show_options(arguments.look);
        show_chains(lab, result, options);
        show_verdict(std::cout, result.verdict, options);
        std::cout << "\n"
                  << timings_table(phases.timings(), phases.elapsed()) << "\nresults in "
                  << result.directory.string() << "\n";
        return exit_status(result.verdict.outcome);
    } catch (const RunFailed& failure) {
        view.clear();
        if (failure.cause() == RunFailed::Cause::not_resumed) {
            tell_failure(failure);
            return batch::exit_not_resumed;
        }
        write_result(arguments, result_of(failure), failure.directory(), seconds());
        if (failure.cause() == RunFailed::Cause::not_applicable) {
            std::cout << "skipped: " << printable(failure.what()) << "\n";
            return exit_passed;
        }
        tell_failure(failure);
        if (failure.verdict()) {
            std::cout << "\nWhat was recorded of the step that failed:\n";
            show_verdict(std::cout, *failure.verdict(), show_options(arguments.look));
        }
        return exit_could_not;
    }
}

int run(RunArguments& arguments) {
    if (arguments.is_batch()) return run_batch(arguments);
    if (const auto status = run_once(arguments)) return *status;
    // A run must begin with one thread, and libvirt's are here now.
    start_anew({"--attempt", std::to_string(arguments.attempt + 1)});
}

/// What counts instructions is QEMU's emulation, seen from this machine.
void check_clock(const RunOptions& options) {
    if (options.clock != GuestClock::instructions) return;
    if (options.accelerator == to_string(Accelerator::kvm)) {
        throw CLI::ValidationError("--clock",
                                   "instructions are counted under emulation only: leave "
                                   "--accelerator kvm out");
    }
    if (!options.uri.empty()) {
        throw CLI::ValidationError("--clock",
                                   "whether the guest is idle is seen of a QEMU of this program "
                                   "only: leave --connect out");
    }
}

}  // namespace

void add_run_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("run", "Boot a lab's guest, record it, and judge it");
    command->footer(
        "The guest is a real Debian kernel whose network card is skbtrail-nic. What the kernel "
        "did\n"
        "with the lab's packets is recorded and compared with what the lab expects.\n"
        "\n"
        "Examples:\n"
        "  skbtrail run ping-receive                  with the kernel the lab was written for\n"
        "  skbtrail run ping-receive --kernel 6.16    with another of Debian's\n"
        "  skbtrail run ping-receive --kernel ./linux/ with your own: the tree it was built in\n"
        "  skbtrail run ping-receive --change ./mine.ko  with a module of your own loaded\n"
        "  skbtrail show skbtrail-results/DIRECTORY   look at what was recorded\n"
        "  skbtrail run --all --kernel 6.1,6.12 --jobs 2 --format junit > results.xml\n"
        "                                             all labs on two kernels, two guests at once\n"
        "\n"
        "The result directory gets recording.json, verdict.json, console.log (the guest's), "
        "nic.log,\n"
        "capture.pcap (the frames on the wire), ring.jsonl (what the card saw at its rings) and\n"
        "output.txt (what the lab's scripts wrote), and result.json (what came of it). A second "
        "card has\n"
        "files of its own: nic-1.log, capture-1.pcap, ring-1.jsonl. With several labs or kernels "
        "it holds\n"
        "such a directory for each, and run.log in it.\n"
        "\n"
        "A lab that cannot be judged because events were lost is run again, twice at most.\n"
        "\n"
        "Exit status: 0 passed or skipped, 1 the kernel did something else, 2 could not run or "
        "judge.");
    auto arguments = std::make_shared<RunArguments>();
    auto& run_options = arguments->run;
    auto* labs =
        command->add_option("labs", arguments->labs, "The labs' names; `skbtrail list` shows them");
    labs->type_name("LAB");
    command->add_flag("--all", arguments->all, "Run all labs")->excludes(labs);
    command
        ->add_option(
            "-k,--kernel", arguments->kernels,
            "A version (6.12), an exact release, a name that you gave, or the path of your "
            "own (its tree, a bzImage or a vmlinux[,modules=DIR]; with a slash in it); several "
            "with commas between; by "
            "default the lab's")
        ->type_name("KERNEL,...");
    command
        ->add_option("-j,--jobs", arguments->jobs,
                     "Guests at once, with several labs or kernels: each keeps a processor busy")
        ->check(CLI::Range(1U, 256U))
        ->type_name("N")
        ->capture_default_str();
    command
        ->add_option("--shard", arguments->shard,
                     "Run only the i-th of n parts of all labs on all kernels; `skbtrail merge` "
                     "puts the results together")
        ->check(
            [](const std::string& text) {
                try {
                    batch::parse_shard(text);
                    return std::string();
                } catch (const CannotRun& error) {
                    return std::string(error.what());
                }
            },
            "", "shard")
        ->type_name("i/n");
    command
        ->add_option("--format", arguments->format,
                     "How to tell the results: text, json, junit or ktap")
        ->check(CLI::IsMember({"text", "json", "junit", "ktap"}))
        ->type_name("FORMAT")
        ->capture_default_str();
    command
        ->add_option("-o,--output", run_options.output,
                     "Result directory; by default a new one below ./skbtrail-results")
        ->type_name("DIR");
    command
        ->add_option("--change", arguments->change,
                     "Change the guest's kernel before what is recorded: a module (*.ko) to load, "
                     "a script to run, or a folder with a change.sh and what it needs")
        ->type_name("PATH")
        ->check(CLI::ExistingPath);
    command
        ->add_option("--expect", arguments->expectation,
                     "Judge by this expectation instead of the lab's")
        ->type_name("FILE")
        ->check(CLI::ExistingFile);
    command
        ->add_option("--result", arguments->result_file,
                     "Write what came of one run as JSON to this file too, whatever came")
        ->type_name("FILE");
    // Of a batch's runs; nobody types it.
    command->add_flag("--exit-with-parent", arguments->exit_with_parent)->group("");
    command->add_option("--keep-guest", run_options.keep_at)->group("");
    command->add_option("--resume-guest", run_options.resume_from)->group("");
    command->add_option("--attempt", arguments->attempt)->group("")->take_last();
    command->add_flag("--boot-each", arguments->boot_each,
                      "Boot a guest for each lab, also where several labs could share one boot");
    add_labs_option(*command, arguments->lab_directories);
    command
        ->add_option("--accelerator", run_options.accelerator,
                     "auto (KVM if it is proved to work, else emulation), kvm or tcg")
        ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
        ->type_name("WHICH")
        ->capture_default_str();
    command
        ->add_option_function<std::string>(
            "--clock",
            [&run_options](const std::string& name) {
                run_options.clock = name == to_string(GuestClock::instructions)
                                        ? GuestClock::instructions
                                        : GuestClock::real;
            },
            "What time is in the guest: real (the host's), or instructions: so much for each "
            "instruction, and the card waits until the guest is idle, so that durations compare")
        ->check(CLI::IsMember({to_string(GuestClock::real), to_string(GuestClock::instructions)}))
        ->type_name("WHICH")
        ->default_str(to_string(GuestClock::real));
    command
        ->add_option("--connect", run_options.uri,
                     "libvirt URI; by default libvirt's driver runs inside this program, without "
                     "any daemon")
        ->type_name("URI");
    command->add_option("--qemu", run_options.qemu, "The QEMU to run; by default from PATH")
        ->type_name("PROGRAM")
        ->envname("SKBTRAIL_QEMU");
    command->add_option("--append", run_options.append, "Added to the guest kernel's command line")
        ->type_name("TEXT");
    command
        ->add_option("--deadline-scale", arguments->deadline_scale,
                     "Give every phase so many times its time, on a slow or busy machine")
        ->check(CLI::Range(0.001, 1000.0))
        ->type_name("FACTOR")
        ->envname("SKBTRAIL_DEADLINE_SCALE");
    command->add_flag("--keep", run_options.keep_logs,
                      "Keep QEMU's and libvirt's logs in the result directory in any case");
    command->add_flag("-q,--quiet", arguments->quiet, "Show no phases");
    command->add_flag("-v,--verbose", arguments->verbose, "Show also what the lab's scripts write");
    add_look_options(*command, arguments->look);
    command->callback([arguments, &chosen] {
        if (arguments->labs.empty() && !arguments->all) {
            throw CLI::RequiredError("The name of a lab, or --all,");
        }
        for (const auto& kernel : arguments->kernels) {
            if (batch::split_kernels({kernel}).empty()) {
                throw CLI::ValidationError("--kernel",
                                           "no kernel is named: leave it out for the "
                                           "one that the lab was written for");
            }
        }
        check_clock(arguments->run);
        chosen = [arguments] { return run(*arguments); };
    });
}

}  // namespace skbtrail::labs
