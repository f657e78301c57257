#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "guest/process.h"
#include "tests/bench/suites.h"
#include "tests/bench/tracer_guest.h"
#include "tests/places.h"

namespace skbtrail::bench {
namespace {

/// More than 100,000 calls.
constexpr int flood_pings = 500;

/// Fetched once; kept beside the programs of the build.
std::filesystem::path fetch_pwru() {
    const auto directory = std::filesystem::path(tests::in_build("bench/pwru"));
    guest::Command command;
    command.arguments = {"sh", tests::in_source("tests/bench/fetch_pwru.sh"), directory.string()};
    command.deadline = std::chrono::minutes(5);
    const auto result = guest::run_process(command);
    if (!result.succeeded()) throw std::runtime_error(guest::describe(command, result));
    return directory / "usr" / "bin" / "pwru";
}

/// A tracer's turn answers all questions about it once; a round of all tracers is one boot.
class Turns {
  public:
    Sample answer(const Conditions& conditions, const std::string& who, const std::string& what) {
        auto turn = turns_.find(who);
        if (turn == turns_.end() || turn->second.asked.contains(what)) {
            turn = turns_.insert_or_assign(who, take_turn(conditions, who)).first;
        }
        auto& [figures, failure, asked] = turn->second;
        asked.insert(what);
        Sample sample;
        sample.details = figures;
        sample.missing = failure;
        if (const auto found = figures.find(what); found != figures.end()) {
            sample.value = found->second;
        } else if (failure.empty()) {
            sample.missing = "not counted";
        }
        return sample;
    }

  private:
    struct Turn {
        TracerFigures figures;
        std::string failure;
        std::set<std::string> asked;
    };

    Turn take_turn(const Conditions& conditions, const std::string& who) {
        Turn turn;
        if (!seen_.insert(who).second) {
            guest_.reset();
            seen_ = {who};
        }
        try {
            if (!guest_) {
                guest_ = std::make_unique<TracerGuest>(conditions, 1, fetch_pwru());
            }
            turn.figures = guest_->turn(who, flood_pings);
        } catch (const std::exception& error) {
            turn.failure = error.what();
            guest_.reset();
        }
        return turn;
    }

    std::unique_ptr<TracerGuest> guest_;
    std::set<std::string> seen_;  ///< who had a turn in that guest
    std::map<std::string, Turn> turns_;
};

struct Question {
    const char* name;
    const char* unit;
    bool more_is_better;
    std::vector<const char*> contenders;
};

/// Guests of the cost cells: one for each number of processors.
class CostGuests {
  public:
    TracerFigures measure(const Conditions& conditions, unsigned cpus, const std::string& options,
                          int count) {
        if (cpus != cpus_) {
            guest_.reset();
            guest_ = std::make_unique<TracerGuest>(conditions, cpus, "");
            cpus_ = cpus;
        }
        return guest_->cost(options, count);
    }

  private:
    std::unique_ptr<TracerGuest> guest_;
    unsigned cpus_ = 0;
};

/// One thing of which there is more or less. `figure`: which of the guest's figures says how much;
/// none: `amount` does.
struct TracerAxis {
    const char* name;
    std::string place;
    double amount = 0;
    const char* figure = "";
    unsigned cpus = 1;
    const char* options = "";
    int count = flood_pings;
};

std::vector<TracerAxis> tracer_axes() {
    std::vector<TracerAxis> axes;
    for (const int count : {10, 100, 1000}) {
        // an echo and its reply
        axes.push_back({.name = "packets",
                        .place = std::to_string(2 * count),
                        .amount = 2.0 * count,
                        .count = count});
    }
    axes.push_back({.name = "functions",
                    .place = "icmp_*",
                    .figure = "functions",
                    .options = "--functions icmp_*"});
    axes.push_back({.name = "functions",
                    .place = "icmp_*,ip_*",
                    .figure = "functions",
                    .options = "--functions icmp_*,ip_*"});
    axes.push_back({.name = "functions", .place = "all", .figure = "functions"});
    for (const unsigned cpus : {1U, 2U, 4U}) {
        axes.push_back({.name = "processors",
                        .place = std::to_string(cpus),
                        .amount = static_cast<double>(cpus),
                        .cpus = cpus});
    }
    return axes;
}

/// Where the turn is on its axis.
double amount_of(const TracerAxis& axis, const Sample& sample) {
    return *axis.figure == '\0' ? axis.amount : sample.details.at(axis.figure);
}

}  // namespace

std::vector<Cell> tracer_cells() {
    std::vector<Cell> cells;
    const auto turns = std::make_shared<Turns>();
    const char* const ours = "skbtrail-collect";
    const char* const lines = "skbtrail-collect lines";
    const std::vector<const char*> all{ours, "pwru", lines, "bpftrace", "trace-cmd"};
    const std::vector<const char*> loaded{ours, "pwru", lines, "bpftrace", "trace-cmd", "nobody"};
    const std::vector<const char*> counted{ours, "pwru", lines, "bpftrace"};
    for (const Question& question :
         {Question{"start", "s", false, all}, Question{"start unknown", "s", false, {ours}},
          Question{"end", "s", false, all}, Question{"end flood", "s", false, all},
          Question{"ping", "us", false, loaded}, Question{"tcp", "Mbit/s", true, loaded},
          Question{"memory", "MiB", false, all}, Question{"kept", "%", true, counted},
          Question{"lost", "", false, counted}, Question{"kept tcp", "%", true, {ours, lines}},
          Question{"lost tcp", "", false, {ours, lines}}}) {
        Cell cell{.name = fmt::format("tracer/{}", question.name),
                  .unit = question.unit,
                  .more_is_better = question.more_is_better,
                  .contenders = {},
                  .between_processors = false};
        for (const char* who : question.contenders) {
            cell.contenders.push_back({who, [turns, who, what = std::string(question.name)](
                                                const Conditions& conditions) {
                                           return turns->answer(conditions, who, what);
                                       }});
        }
        cells.push_back(std::move(cell));
    }
    const auto guests = std::make_shared<CostGuests>();
    for (const TracerAxis& axis : tracer_axes()) {
        cells.push_back({.name = fmt::format("tracer-cost/{}/{}", axis.name, axis.place),
                         .unit = "us",
                         .more_is_better = false,
                         .contenders = {{"skbtrail-collect",
                                         [guests, axis](const Conditions& conditions) {
                                             Sample sample;
                                             sample.details = guests->measure(
                                                 conditions, axis.cpus, axis.options, axis.count);
                                             sample.value = sample.details.at("ping");
                                             sample.details["place"] = amount_of(axis, sample);
                                             return sample;
                                         }}},
                         .between_processors = false});
    }
    return cells;
}

}  // namespace skbtrail::bench
