#include "tests/bench/options.h"

#include <algorithm>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sched.h>

namespace skbtrail::bench {
namespace {

constexpr int usage_error = 64;           // EX_USAGE
constexpr double longest_realtime = 1.0;  // seconds

constexpr const char* footer = R"(
Contenders of a cell take turns, round by round, each started from nothing. A ratio above 1 means
that the first contender is better. A turn is "disturbed" when others on the machine kept the
measured processes waiting in most of its windows; such a number says little.)";

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
    Options options;
    Conditions& conditions = options.conditions;
    double seconds = 1.0;
    conditions.nic = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "skbtrail-nic";

    CLI::App app("How fast is skbtrail-nic, and compared with whom?");
    app.name("skbtrail-bench");
    app.footer(footer);
    app.add_option("CELL", options.filters,
                   "Only cells whose name has this in it: a part (64/packed) or a pattern "
                   "(pairs/*/reflect)");
    app.add_flag("--list", options.list, "Print the names of the cells, and do no more");
    app.add_option("--rounds", options.rounds, "Turns of each contender [5]")
        ->check(CLI::Range(1, 1000));
    app.add_option("--seconds", seconds, "Length of a turn's measurement [1]")
        ->check(CLI::Range(0.1, 600.0));
    app.add_option("--json", options.json, "Write everything measured to this file")
        ->type_name("FILE");
    app.add_option("--results", options.results, "Write tables and plots into this directory")
        ->type_name("DIRECTORY");
    app.add_option("--nic", conditions.nic, "The skbtrail-nic to measure [the one beside this]")
        ->type_name("PROGRAM")
        ->check(CLI::ExistingFile);
    app.add_option("--front-cpu", conditions.front_cpu, "Processor of the front end [0]")
        ->check(CLI::Range(0, CPU_SETSIZE - 1));
    app.add_option("--back-cpu", conditions.back_cpu, "Processor of the back end [1]")
        ->check(CLI::Range(0, CPU_SETSIZE - 1));
    app.add_flag("--realtime", conditions.realtime,
                 "Run what is measured before everything else on the machine while it is measured: "
                 "for a machine with other work, which then stands still for that long. Needs the "
                 "right to do so");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            std::ostringstream text;
            app.exit(error, text, text);
            return EarlyExit{0, text.str()};
        }
        return EarlyExit{
            usage_error,
            fmt::format("skbtrail-bench: {}\nTry skbtrail-bench --help.\n", error.what())};
    }
    if (conditions.realtime && seconds > longest_realtime) {
        return EarlyExit{usage_error,
                         fmt::format("skbtrail-bench: --realtime: the machine may stand still for "
                                     "{} s at most, so --seconds must not be more\n",
                                     longest_realtime)};
    }
    conditions.window = std::chrono::milliseconds(static_cast<long>(seconds * 1000));
    return options;
}

bool wanted(const Options& options, const std::string& name) {
    return options.filters.empty() ||
           std::ranges::any_of(options.filters, [&](const std::string& filter) {
               return name.find(filter) != std::string::npos ||
                      ::fnmatch(filter.c_str(), name.c_str(), 0) == 0;
           });
}

}  // namespace skbtrail::bench
