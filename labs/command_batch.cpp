// skbtrail run with several labs or kernels, and skbtrail merge.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "guest/cache.h"
#include "labs/batch/matrix.h"
#include "labs/batch/pool.h"
#include "labs/batch/report.h"
#include "labs/command.h"
#include "labs/run_arguments.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"
#include "labs/runner/kept_guest.h"
#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// The kernel that a lab was written for; empty when it cannot be read, which its run will tell.
std::string own_kernel(const fs::path& folder) {
    try {
        return load_lab(folder).kernel;
    } catch (const std::exception&) {
        return {};
    }
}

std::vector<batch::Cell> cells_of(const RunArguments& arguments) {
    const auto directories = lab_directories(arguments.lab_directories);
    std::vector<std::string> labs = arguments.labs;
    if (arguments.all) {
        for (const auto& [name, folder] : list_labs(directories)) labs.push_back(name);
    }
    const auto kernels = batch::split_kernels(arguments.kernels);
    std::vector<batch::Cell> cells;
    const auto add = [&](const batch::Cell& cell) {
        if (std::find(cells.begin(), cells.end(), cell) == cells.end()) cells.push_back(cell);
    };
    for (const std::string& lab : labs) {
        const auto folder = find_lab(lab, directories);
        if (kernels.empty()) add({lab, own_kernel(folder)});
        for (const std::string& kernel : kernels) add({lab, kernel});
    }
    return cells;
}

/// Options that each run of the batch gets as they were given.
std::vector<std::string> passed_on(const RunArguments& arguments) {
    std::vector<std::string> options;
    for (const auto& directory : arguments.lab_directories) {
        options.insert(options.end(), {"--labs", directory});
    }
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) options.insert(options.end(), {name, value});
    };
    add("--accelerator", arguments.run.accelerator);
    add("--clock", to_string(arguments.run.clock));
    add("--connect", arguments.run.uri);
    add("--qemu", arguments.run.qemu.string());
    add("--change", arguments.change);
    if (!arguments.run.append.empty()) options.push_back("--append=" + arguments.run.append);
    options.push_back(fmt::format("--deadline-scale={}", arguments.deadline_scale));
    if (arguments.run.keep_logs) options.emplace_back("--keep");
    return options;
}

/// For each cell, what it has to agree in with others to share their boot.
std::vector<std::string> machines_of(const std::vector<batch::Cell>& cells,
                                     const RunArguments& arguments) {
    // What runs elsewhere cannot be kept here, and a guest whose instructions are counted counts
    // from its own boot.
    const bool may_share = !arguments.boot_each && arguments.run.uri.empty() &&
                           arguments.run.clock == GuestClock::real;
    const auto directories = lab_directories(arguments.lab_directories);
    std::vector<std::string> machines;
    for (const auto& cell : cells) {
        std::string machine;
        try {
            machine = may_share ? machine_of(load_lab(find_lab(cell.lab, directories))) : "";
        } catch (const std::exception&) {
            machine.clear();  // its own run tells what is wrong with it
        }
        machines.push_back(machine.empty() ? "" : fmt::format("{}: {}", cell.kernel, machine));
    }
    return machines;
}

/// Tells on standard error how far a batch is: a line for each run that ended, and on a terminal
/// one that moves.
class BatchProgress {
  public:
    explicit BatchProgress(bool quiet) : quiet_(quiet), live_(::isatty(STDERR_FILENO) == 1) {}
    ~BatchProgress() { erase(); }
    BatchProgress(const BatchProgress&) = delete;
    BatchProgress& operator=(const BatchProgress&) = delete;

    void ended(const batch::PoolState& state) {
        if (quiet_) return;
        erase();
        for (; noticed_ < state.notices.size(); ++noticed_) {
            fmt::print(stderr, "{}\n", printable(state.notices[noticed_]));
        }
        for (; told_ < state.finished.size(); ++told_) {
            const auto& result = state.finished[told_];
            fmt::print(stderr, "[{}/{}] {} on {}: {} ({:.1f} s){}\n", told_ + 1, state.total,
                       result.lab, result.release.empty() ? result.kernel : result.release,
                       batch::outcome_name(result.outcome), result.seconds, left(state));
        }
        tick(state);
    }

    void tick(const batch::PoolState& state) {
        if (quiet_ || !live_ || state.running.empty()) return;
        erase();
        std::vector<std::string> names;
        for (const auto& running : state.running) names.push_back(running.name);
        fmt::print(stderr, "[{}/{}] {}{}", state.finished.size(), state.total,
                   fmt::join(names, ", "), left(state));
        std::fflush(stderr);
        drawn_ = true;
    }

  private:
    static std::string left(const batch::PoolState& state) {
        const auto left = state.left(std::chrono::steady_clock::now());
        if (left.count() == 0 || state.finished.size() == state.total) return "";
        return fmt::format(", about {} left", format_seconds(left));
    }

    void erase() {
        if (drawn_) fmt::print(stderr, "\r\033[K");
        drawn_ = false;
    }

    bool quiet_;
    bool live_;
    bool drawn_ = false;
    std::size_t told_ = 0;
    std::size_t noticed_ = 0;
};

struct MergeArguments {
    std::vector<std::string> directories;
    std::string format = "text";
};

int merge(const MergeArguments& arguments) {
    const auto results = batch::collect(
        {arguments.directories.begin(), arguments.directories.end()},
        [](std::string_view line) { fmt::print(stderr, "{}\n", printable(std::string(line))); });
    std::cout << batch::report(results, batch::format_of(arguments.format));
    return batch::exit_status(results);
}

}  // namespace

fs::path new_batch_directory(const fs::path& named, const std::string& kind) {
    if (!named.empty()) return named;
    const auto name = fmt::format("{}-{:%Y%m%dT%H%M%S}", kind, fmt::gmtime(std::time(nullptr)));
    auto path = fs::path("skbtrail-results") / name;
    for (int number = 2; fs::exists(path); ++number) {
        path = fs::path("skbtrail-results") / fmt::format("{}-{}", name, number);
    }
    return path;
}

bool RunArguments::is_batch() const {
    return all || labs.size() > 1 || batch::split_kernels(kernels).size() > 1 || !shard.empty() ||
           format != "text";
}

int run_batch(const RunArguments& arguments) {
    if (!arguments.expectation.empty()) {
        throw CannotRun("--expect judges one lab on one kernel; name one, or leave --expect out");
    }
    const auto cells = cells_of(arguments);
    const auto part = arguments.shard.empty()
                          ? cells
                          : batch::part_of(cells, batch::parse_shard(arguments.shard));
    const auto directory = new_batch_directory(arguments.run.output, "all");
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
        throw CannotRun(
            fmt::format("cannot make the result directory {}: {}. --output names "
                        "another place.",
                        directory.string(), error.message()));
    }
    guest::write_file_atomically(directory / batch::batch_file, batch::batch_json(cells));
    const SignalWatch signals;
    BatchProgress progress(arguments.quiet);
    sweep_dead_runs(run_directory_base());
    const RunDirectory guests(run_directory_base());
    const auto results = batch::run_all(
        part,
        {.program = "/proc/self/exe",
         .arguments = passed_on(arguments),
         .directory = fs::canonical(directory),
         .jobs = arguments.jobs,
         .machines = machines_of(part, arguments),
         .guests = guests.path()},
        signals, [&](const auto& state) { progress.ended(state); },
        [&](const auto& state) { progress.tick(state); });
    std::cout << batch::report(results, batch::format_of(arguments.format));
    if (arguments.format == "text") {
        std::cout << "results in " << directory.string() << "\n";
        if (results.size() < part.size()) {
            std::cout << part.size() - results.size() << " not begun\n";
        }
    }
    return results.size() < part.size() ? exit_could_not : batch::exit_status(results);
}

void add_merge_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("merge", "Put the results of several machines together");
    command->footer(
        "Reads the result directories of `skbtrail run`, of whole batches or of their shards, and\n"
        "reports on all of them. A lab that a batch announces and nobody has run is an error.\n"
        "\n"
        "Examples:\n"
        "  skbtrail run --all --kernel 6.1,6.12 --shard 1/2 -o one      on one machine\n"
        "  skbtrail run --all --kernel 6.1,6.12 --shard 2/2 -o two      on another\n"
        "  skbtrail merge one two --format junit > results.xml\n"
        "\n"
        "Exit status: 0 all passed or were skipped, 1 any diverged, 2 any could not run or be\n"
        "judged, or is missing.");
    auto arguments = std::make_shared<MergeArguments>();
    command->add_option("directories", arguments->directories, "Result directories")
        ->required()
        ->check(CLI::ExistingDirectory)
        ->type_name("DIR");
    command->add_option("--format", arguments->format, "text, json, junit or ktap")
        ->check(CLI::IsMember({"text", "json", "junit", "ktap"}))
        ->type_name("FORMAT")
        ->capture_default_str();
    command->callback([arguments, &chosen] { chosen = [arguments] { return merge(*arguments); }; });
}

}  // namespace skbtrail::labs
