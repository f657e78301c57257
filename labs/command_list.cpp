// skbtrail list: which labs there are.
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "labs/command.h"
#include "labs/runner/lab.h"

namespace skbtrail::labs {
namespace {

int list(const std::vector<std::string>& directories) {
    const auto labs = list_labs(lab_directories(directories));
    if (labs.empty()) {
        fmt::print("There are no labs here; --labs DIR names a directory of them.\n");
        return exit_could_not;
    }
    int status = exit_passed;
    for (const auto& [name, folder] : labs) {
        try {
            fmt::print("{:<20}  {}\n", name, load_lab(folder).title);
        } catch (const std::exception& error) {
            fmt::print("{:<20}  (cannot be run: {})\n", name, error.what());
            status = exit_could_not;
        }
    }
    fmt::print("\nRun one with `skbtrail run NAME`.\n");
    return status;
}

}  // namespace

void add_list_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("list", "Show the labs");
    auto directories = std::make_shared<std::vector<std::string>>();
    add_labs_option(*command, *directories);
    command->callback(
        [directories, &chosen] { chosen = [directories] { return list(*directories); }; });
}

}  // namespace skbtrail::labs
