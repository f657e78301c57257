// Labs that are shipped pass on a real kernel, their expectations would have noticed if they had
// not, and their READMEs show what the commands really print.
//
// Each run of the tests takes the labs of `in_each_run`, on 6.12: between them every kind of chain
// (system call, poll, timer, softirq, interrupt), every fragment of paths.json that several labs
// share, the wires that labs use (script, the NAT behind it, sink, hub), and the longest recording.
// `make test-all` takes the others, too, and every lab on every kernel (every_kernel_test.cpp).

#include "tests/guest/shipped_labs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "tests/guest/program.h"
#include "tests/guest/readme.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using skbtrail::tests::find_shown;
using skbtrail::tests::in_build;
using skbtrail::tests::in_source;
using skbtrail::tests::lines_of;
using skbtrail::tests::parse_readme;
using skbtrail::tests::Readme;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::ShownCommand;
using skbtrail::tests::text_of;

namespace {

const std::vector<std::string> in_each_run = {
    "ping-receive",    // a system call, a poll, an answer from within the poll; NAT behind the wire
    "tcp-loss",        // a timer's chain
    "tcp-tour",        // most chains
    "gro",             // merged packets, most changes for sharpness
    "napi",            // most packets in one chain; interrupts as chains
    "skb-lifetime",    // drop reasons
    "fragments",       // copies, and several packets that become one
    "netfilter",       // modules, and a packet that is rewritten
    "ipv6-transport",  // the other family, and its sockets
    "iperf3",          // two cards at one switch; only some packets are recorded
    "net-device-ops",  // netlink and ethtool, the control virtqueue; the sink wire
    "protocol-demux",  // the single path; loopback
};

std::set<std::string> the_others() {
    auto names = skbtrail::tests::shipped_labs();
    std::erase_if(names, [](const std::string& name) {
        return std::find(in_each_run.begin(), in_each_run.end(), name) != in_each_run.end();
    });
    return names;
}

/// What the guest's scripts wrote, without what the collector says of itself.
std::string scripts_output(const fs::path& results) {
    std::istringstream text(text_of(results / "output.txt"));
    std::string kept;
    for (std::string line; std::getline(text, line);) {
        if (!line.starts_with("skbtrail-collect:")) kept += line + "\n";
    }
    return kept;
}

/// Types a README's commands, and compares what it shows of them with what they print. Packets and
/// chains have other numbers in each run: those of this run are learnt from the lines that were
/// found, and used in the commands that follow.
class Typist {
  public:
    /// `ran`: what `skbtrail run` printed, whose results are in `results`.
    Typist(const Scratch& scratch, const std::string& lab, const std::string& ran, fs::path results)
        : scratch_(scratch), run_("build/bin/skbtrail run " + lab), ran_(ran), results_(results) {}

    void type(const ShownCommand& shown) {
        const std::string output = shown.command == run_ ? ran_ : output_of(here(shown.command));
        INFO("README, line " << shown.line << ": " << shown.command << "\nprinted:\n" << output);
        CHECK_FALSE(shown.output.empty());
        const auto printed = lines_of(output);
        std::size_t from = 0;
        for (const std::string& line : shown.output) {
            if (line.empty() || line == "…") continue;
            INFO("the README shows: " << line);
            const std::size_t found = find_shown(printed, line, from);
            CHECK(found != std::string::npos);
            if (found == std::string::npos) continue;
            learn(line, printed[found]);
            from = found + 1;
        }
    }

  private:
    std::string output_of(const std::string& command) {
        const auto outcome = run(scratch_, {"/bin/sh", "-c", command});
        INFO(command << "\n" << outcome.output);
        CHECK(outcome.status == 0);
        return outcome.output;
    }

    /// The command with this run's directory and numbers, and the programs of this build.
    std::string here(std::string command) const {
        command = std::regex_replace(command, std::regex("build/bin/"), in_build("bin/"));
        command = std::regex_replace(command, std::regex("skbtrail-results/DIRECTORY"),
                                     results_.string());
        for (const std::string option : {"--packet ", "--chain "}) {
            std::smatch number;
            if (!std::regex_search(command, number, std::regex(option + "([0-9]+)"))) continue;
            const auto known = numbers_.find(option + number[1].str());
            INFO(command << ": nothing above says which one has this number");
            REQUIRE(known != numbers_.end());
            command.replace(static_cast<std::size_t>(number.position(1)),
                            static_cast<std::size_t>(number.length(1)), known->second);
        }
        return command;
    }

    void learn(const std::string& shown, const std::string& printed) {
        learn("--packet ", std::regex("#([0-9]+)"), shown, printed);
        learn("--chain ", std::regex("chain +([0-9]+)"), shown, printed);
    }

    void learn(const std::string& option, const std::regex& pattern, const std::string& shown,
               const std::string& printed) {
        std::smatch there;
        std::smatch here;
        if (std::regex_search(shown, there, pattern) && std::regex_search(printed, here, pattern)) {
            numbers_.emplace(option + there[1].str(), here[1].str());
        }
    }

    const Scratch& scratch_;
    const std::string run_;
    const std::string ran_;
    const fs::path results_;
    std::map<std::string, std::string>
        numbers_;  ///< "--packet 3" as the README has it → this run's
};

/// What a README has to have, beside commands.
void is_complete(const Readme& readme, const std::string& text) {
    CHECK_FALSE(readme.pictures.empty());
    CHECK(readme.questions >= 3);
    CHECK(text.find("## What to look at") != std::string::npos);
    // Files that are there to be read: "`net/core/dev.c` (…), …".
    CHECK(std::regex_search(readme.sources, std::regex("`[a-z0-9_/-]+\\.[ch]`")));
}

/// Whether `said` is in what the scripts `wrote`, line behind line.
bool prints(const std::vector<std::string>& wrote, const std::vector<std::string>& said) {
    const auto same = [](const std::string& one, const std::string& shown) {
        return find_shown({one}, shown, 0) == 0;
    };
    return !said.empty() &&
           std::search(wrote.begin(), wrote.end(), said.begin(), said.end(), same) != wrote.end();
}

/// Runs the lab on 6.12: it passes, sharply, and prints what its README says.
void passes_as_its_readme_shows(const std::string& name) {
    const Scratch scratch;
    const fs::path results = scratch.path() / "results";
    const auto lab = run(scratch, {"skbtrail", "run", name, "--output", results});
    INFO(name << "\n" << lab.output);
    REQUIRE(lab.status == 0);
    CHECK(scratch.left_behind().empty());
    const auto sharp = run(scratch, {"skbtrail", "expect", "sharpness", name, results});
    INFO(sharp.output);
    CHECK(sharp.status == 0);

    const std::string text = text_of(in_source("labs/" + name + "/README.md"));
    const Readme readme = parse_readme(text);
    is_complete(readme, text);
    Typist typist(scratch, name, lab.output, results);
    REQUIRE_FALSE(readme.commands.empty());
    CHECK(readme.commands.front().command == "build/bin/skbtrail run " + name);
    for (const ShownCommand& command : readme.commands) typist.type(command);
    // How many chains were as expected is the same in each run, unlike which ones.
    const auto& verdict = readme.commands.front().output;
    REQUIRE_FALSE(verdict.empty());
    CHECK(verdict.back().ends_with(" chains as expected"));
    CHECK(lab.output.find(verdict.back() + "\n") != std::string::npos);

    REQUIRE(readme.printed.size() == 1);
    INFO("run.sh printed:\n" << scripts_output(results));
    CHECK(prints(lines_of(scripts_output(results)), lines_of(readme.printed.front())));
}

}  // namespace

TEST_CASE("shipped labs pass on 6.12, sharply") {
    passes_as_its_readme_shows(GENERATE(from_range(in_each_run)));
}

TEST_CASE("the other shipped labs pass on 6.12, sharply", "[.all]") {
    passes_as_its_readme_shows(GENERATE(from_range(the_others())));
}
