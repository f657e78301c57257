// Labs that are shipped pass on a real kernel, their expectations would have noticed if they had
// not, and their READMEs show what the commands really print.
//
// Each run of the tests takes the labs of `in_each_run`, on 6.12: between them every kind of chain
// (system call, poll, timer, softirq), every fragment of paths.json that several labs share, both
// wires that labs use, and the longest recording. `make test-all` takes the others, too, and every
// lab on every kernel (every_kernel_test.cpp).

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "tests/guest/program.h"

namespace fs = std::filesystem;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::text_of;

namespace {

const std::vector<std::string> in_each_run = {
    "ping-receive",    // a system call, a poll, an answer from within the poll; the nat wire
    "arp",             // a packet that waits for another one
    "udp",             // sockets, and the error that nobody has the port
    "start-xmit",      // the ring, both ways
    "tcp-lookup",      // loopback and the NIC
    "tcp-loss",        // a timer's chain
    "tcp-tour",        // most chains
    "gro",             // merged packets, most changes for sharpness
    "napi",            // most packets in one chain
    "skb-lifetime",    // drop reasons
    "fragments",       // copies, and several packets that become one
    "netfilter",       // modules, and a packet that is rewritten
    "ipv6-nd",         // the other family
    "protocol-demux",  // the single path
    "skb-layout",      // where an sk_buff stands, byte by byte
};

std::vector<std::string> shipped_labs() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(SKBTRAIL_LABS)) {
        if (fs::exists(entry.path() / "lab.json")) names.push_back(entry.path().filename());
    }
    return names;
}

std::vector<std::string> the_others() {
    auto names = shipped_labs();
    std::erase_if(names, [](const std::string& name) {
        return std::find(in_each_run.begin(), in_each_run.end(), name) != in_each_run.end();
    });
    return names;
}

/// With "N" for every number: addresses, ports, counts and times are others in each run, and so is
/// how many digits they have.
std::string without_numbers(const std::string& text) {
    return std::regex_replace(text, std::regex("[0-9]+"), "N");
}

/// What the README says that run.sh prints: the block behind "prints:".
std::string printed(const std::string& readme) {
    std::smatch found;
    const std::regex block("prints[^\\n]*:\\n\\n```\\n([^`]*)```");
    return std::regex_search(readme, found, block) ? found[1].str() : std::string();
}

/// The lines of a verdict that the README shows.
std::vector<std::string> verdict_lines(const std::string& readme) {
    std::vector<std::string> lines;
    std::istringstream text(readme);
    for (std::string line; std::getline(text, line);) {
        if (line.ends_with(" chains as expected") || line.starts_with("  ✓ ")) {
            lines.push_back(line);
        }
    }
    return lines;
}

/// The lines that the README shows of the packets of a recording: "#6   UDP … → dropped at …".
std::vector<std::string> packet_lines(const std::string& readme) {
    std::vector<std::string> lines;
    std::istringstream text(readme);
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("#") && line.find("  → ") != std::string::npos) lines.push_back(line);
    }
    return lines;
}

/// Without how a line was laid out: numbers, and the runs of spaces that depend on them.
std::string as_read(const std::string& text) {
    return std::regex_replace(without_numbers(text), std::regex(" +"), " ");
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
    const std::string readme = text_of(fs::path(SKBTRAIL_LABS) / name / "README.md");
    const std::string said = printed(readme);
    const std::string wrote = scripts_output(results);
    INFO("the README says that run.sh prints:\n" << said << "it printed:\n" << wrote);
    CHECK_FALSE(said.empty());
    CHECK(without_numbers(wrote).find(without_numbers(said)) != std::string::npos);
    CHECK_FALSE(verdict_lines(readme).empty());
    for (const std::string& line : verdict_lines(readme)) {
        INFO("the README shows: " << line);
        // How many chains were as expected is the same in each run; which chains, is not.
        const bool exact = line.ends_with(" chains as expected");
        const auto& in = exact ? lab.output : without_numbers(lab.output);
        CHECK(in.find(exact ? line : without_numbers(line)) != std::string::npos);
    }
    const auto shown = run(scratch, {"skbtrail", "show", results});
    INFO(shown.output);
    for (const std::string& line : packet_lines(readme)) {
        INFO("the README shows: " << line);
        CHECK(as_read(shown.output).find(as_read(line)) != std::string::npos);
    }
}

}  // namespace

TEST_CASE("shipped labs pass on 6.12, sharply") {
    passes_as_its_readme_shows(GENERATE(from_range(in_each_run)));
}

TEST_CASE("the other shipped labs pass on 6.12, sharply", "[.all]") {
    passes_as_its_readme_shows(GENERATE(from_range(the_others())));
}
