#include "labs/command.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "guest/debian_mirror.h"
#include "guest/kernel_store.h"
#include "labs/runner/failure.h"
#include "tracer/chain/printable.h"
#include "tracer/chain/recording_json.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs {

namespace fs = std::filesystem;

int exit_status(Outcome outcome) {
    switch (outcome) {
        case Outcome::passed:
        case Outcome::skipped:
            return exit_passed;
        case Outcome::diverged:
            return exit_diverged;
        case Outcome::not_judgeable:
            break;
    }
    return exit_could_not;
}

std::string recording_file(const std::string& named) {
    if (named.empty()) {
        throw CannotRun(
            "the name of a recording is empty: was it a variable that a script has not set? Name a "
            "result directory of `skbtrail run LAB`, or its recording.json.");
    }
    std::error_code error;
    const fs::path path =
        fs::is_directory(named, error) ? fs::path(named) / "recording.json" : fs::path(named);
    if (!fs::exists(path, error)) {
        throw CannotRun(fmt::format(
            "there is no recording at {}. `skbtrail run LAB` makes one, in a directory below "
            "skbtrail-results; name that directory, or its recording.json.",
            path.string()));
    }
    return path.string();
}

chain::Recording named_recording(const std::string& named) {
    auto recording = chain::load_recording(recording_file(named));
    chain::make_printable(recording);
    return recording;
}

std::string source_tree(const std::string& named) {
    std::error_code error;
    if (fs::is_directory(named, error)) return named;
    const auto kernels = guest::KernelStore().list();
    const auto found = std::find_if(kernels.rbegin(), kernels.rend(), [&](const auto& kernel) {
        return !kernel.source.empty() &&
               guest::matches(named, kernel.release, kernel.package_version);
    });
    if (found != kernels.rend()) return found->source.string();
    throw CannotRun(fmt::format(
        "there is no source tree {0}: neither a directory, nor a kernel whose source is in the "
        "cache. `skbtrail kernels fetch {1} --source` gets that of one of Debian's.",
        named, named.find('/') == std::string::npos && !named.empty() ? named : "6.12"));
}

void add_labs_option(CLI::App& command, std::vector<std::string>& directories) {
    command
        .add_option("--labs", directories,
                    "Also look for labs in the folders of this directory; may be given again")
        ->type_name("DIR");
}

void add_look_options(CLI::App& command, LookOptions& look) {
    command.add_option("--colour,--color", look.colour, "auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN")
        ->capture_default_str();
    command.add_option("--width", look.width, "Columns to use; by default the terminal's")
        ->check(CLI::Range(40U, 1000U))
        ->type_name("N");
}

ShowOptions show_options(const LookOptions& look) {
    auto options = terminal_options(STDOUT_FILENO);
    if (look.colour != "auto") {
        options.colour = look.colour == "always";
    }
    if (look.width != 0) {
        options.width = look.width;
    }
    return options;
}

std::string printable(const std::string& text) {
    return chain::printable(text, "\n");
}

}  // namespace skbtrail::labs
