// skbtrail-bench: how fast the NIC is, against its peers on the same machine.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <variant>

#include <fmt/format.h>
#include <signal.h>

#include "tests/bench/interruption.h"
#include "tests/bench/machine.h"
#include "tests/bench/options.h"
#include "tests/bench/pictures.h"
#include "tests/bench/placement.h"
#include "tests/bench/report.h"
#include "tests/bench/results.h"
#include "tests/bench/suites.h"
#include "tests/dpdk/testpmd.h"

namespace {

using namespace skbtrail::bench;

/// A directory below TMPDIR, whose path must be short, because sockets live in it; removed at the
/// end.
class Scratch {
  public:
    Scratch() {
        std::string name = std::filesystem::temp_directory_path() / "skb-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), "mkdtemp");
        }
        path_ = name;
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

std::vector<Cell> cells_of(const Options& options) {
    std::vector<Cell> cells;
    for (const auto& suite :
         {&idle_cells, &pair_cells, &guest_cells, &event_cells, &cost_cells, &tracer_cells}) {
        std::ranges::move(suite(), std::back_inserter(cells));
    }
    std::erase_if(cells, [&](const Cell& cell) { return !wanted(options, cell.name); });
    return cells;
}

void write_json(const Options& options, const nlohmann::json& machine,
                const std::vector<CellResult>& results) {
    std::ofstream file(options.json);
    file << nlohmann::json{{"machine", machine},
                           {"rounds", options.rounds},
                           {"window_ms", options.conditions.window.count()},
                           {"cells", json_of(results)},
                           {"by_placement", json_of(by_placement(results))}}
                .dump(2)
         << '\n';
    if (!file.flush()) {
        throw std::runtime_error(fmt::format("cannot write {}", options.json.string()));
    }
}

int run(Options options) {
    const auto cells = cells_of(options);
    if (options.list) {
        for (const Cell& cell : cells) {
            fmt::print("{}\n", cell.name);
        }
        return 0;
    }
    if (cells.empty()) {
        throw std::runtime_error("no cell has such a name; see --list");
    }
    if (const auto reason = skbtrail::dpdk::Testpmd::missing(); !reason.empty()) {
        throw std::runtime_error(reason);
    }
    const Scratch scratch;
    options.conditions.directory = scratch.path();
    const auto machine = describe_machine();
    std::size_t turns = 0;
    for (const Cell& cell : cells) {
        turns += cell.contenders.size() * options.rounds;
    }
    std::size_t done = 0;
    const Interruption interruption;
    const auto results =
        run_cells(cells, options.rounds, options.conditions,
                  [&](const Cell& cell, const Contender& contender, const Sample& sample) {
                      fmt::print(stderr, "{:>4}/{} {} {}: {}\n", ++done, turns, cell.name,
                                 contender.name, describe(sample, cell.unit));
                      return interruption.signal() == nullptr;
                  });
    fmt::print("{}{}", table_of(by_placement(results)), describe(placements_of(results)));
    fmt::print("{} processors ({}), kernel {}, load {} before and {} after\n",
               machine["processors"].dump(), machine["processor"].get<std::string>(),
               machine["kernel"].get<std::string>(), machine["load"][0].dump(),
               describe_machine()["load"][0].dump());
    if (!options.json.empty()) {
        write_json(options, machine, results);
    }
    if (!options.results.empty()) {
        for (const Picture& picture : pictures_of(by_placement(results))) {
            draw(picture, options.results);
        }
    }
    if (interruption.signal() != nullptr) {
        fmt::print(stderr, "skbtrail-bench: ended by {} in turn {} of {}, which does not count\n",
                   interruption.signal(), done, turns);
    }
    return interruption.exit_code();
}

}  // namespace

int main(int argc, char** argv) try {
    // A child that ends early makes writing to its standard input fail, which is reported.
    ::signal(SIGPIPE, SIG_IGN);
    const auto parsed = parse_options(argc, argv);
    if (const auto* const early = std::get_if<EarlyExit>(&parsed)) {
        std::fputs(early->message.c_str(), early->status == 0 ? stdout : stderr);
        return early->status;
    }
    return run(std::get<Options>(parsed));
} catch (const std::exception& error) {
    std::fprintf(stderr, "skbtrail-bench: %s\n", error.what());
    return 2;
}
