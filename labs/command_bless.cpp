// skbtrail bless: a new expectation beside the old one, accepted or rejected change by change.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "guest/cache.h"
#include "labs/bless/proposal.h"
#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "labs/command.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"
#include "labs/show/paint.h"
#include "labs/show/show.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using bless::Hunk;
using bless::Proposal;

struct BlessArguments {
    std::string recording;
    std::string expectation;
    std::vector<std::string> accept;
    std::vector<std::string> reject;
    std::vector<std::string> lab_directories;
    LookOptions look;
};

/// A machine that nobody watches reviews nothing.
bool in_ci() {
    const char* value = std::getenv("CI");
    const std::string_view text = value == nullptr ? "" : value;
    return !text.empty() && text != "0" && text != "false";
}

/// "all" or "1,3" → numbers from 0. Throws CannotRun.
std::set<std::size_t> numbers_of(const std::vector<std::string>& given, std::size_t count) {
    std::set<std::size_t> numbers;
    for (const std::string& text : given) {
        if (text == "all") {
            for (std::size_t number = 0; number < count; ++number) numbers.insert(number);
            continue;
        }
        const bool digits = !text.empty() && text.size() < 6 &&
                            text.find_first_not_of("0123456789") == std::string::npos;
        const auto number = digits ? std::stoul(text) : 0;
        if (number < 1 || number > count) {
            throw CannotRun(fmt::format("there is no change {}; they go from 1 to {}, or \"all\"",
                                        printable(text), count));
        }
        numbers.insert(number - 1);
    }
    return numbers;
}

void show_hunk(const std::string& text, const Proposal& proposal, std::size_t number,
               const ShowOptions& options) {
    const Hunk& hunk = proposal.hunks[number];
    std::cout << paint(fmt::format("change {} of {}", number + 1, proposal.hunks.size()),
                       Ink::strong, options.colour)
              << fmt::format("  {}\n  {}\n", hunk.chain, hunk.what);
    for (const auto& line : bless::lines_of(text, hunk)) {
        const Ink ink = line.front() == '+' ? Ink::good : line.front() == '-' ? Ink::bad : Ink::dim;
        std::cout << paint(line, ink, options.colour) << '\n';
    }
    std::cout << '\n';
}

/// What a person decided; nothing where they left in the middle.
std::optional<std::set<std::size_t>> review(const std::string& text, const Proposal& proposal,
                                            const ShowOptions& options) {
    std::set<std::size_t> accepted;
    for (std::size_t number = 0; number < proposal.hunks.size();) {
        show_hunk(text, proposal, number, options);
        std::cout << "[a]ccept, [r]eject, [q]uit and decide nothing? " << std::flush;
        std::string answer;
        if (!std::getline(std::cin, answer) || answer == "q") return std::nullopt;
        if (answer == "a") accepted.insert(number);
        if (answer == "a" || answer == "r") ++number;
    }
    return accepted;
}

class Blessing {
  public:
    explicit Blessing(const BlessArguments& arguments)
        : arguments_(arguments), options_(show_options(arguments.look)) {}

    int run() {
        if (in_ci()) {
            throw CannotRun(
                "nothing is blessed where nobody looks: the environment says CI. Bless on your own "
                "machine, and have the change reviewed.");
        }
        recording_ = named_recording(arguments_.recording);
        file_ = expectation_file();
        beside_ = file_.string() + ".new";
        text_ = chain::read_file(file_.string());
        load_expectation(file_.string());  // its errors name the file
        if (const auto why = bless::why_not(recording_, text_); !why.empty()) throw CannotRun(why);
        proposal_ = bless::propose(recording_, text_);
        for (const auto& line : proposal_.by_hand) {
            std::cout << paint("by hand", Ink::warning, options_.colour) << "  " << line << "\n\n";
        }
        if (proposal_.hunks.empty()) {
            fs::remove(beside_);
            std::cout << (proposal_.by_hand.empty()
                              ? "nothing to bless: every chain is as expected\n"
                              : "no change can be proposed\n");
            return proposal_.by_hand.empty() ? exit_passed : exit_diverged;
        }
        guest::write_file_atomically(beside_, with(everything()));
        const auto accepted = decide();
        return accepted ? settle(*accepted) : wait();
    }

  private:
    fs::path expectation_file() const {
        if (!arguments_.expectation.empty()) return arguments_.expectation;
        const auto lab = recording_.observed.host.find("lab");
        if (lab == recording_.observed.host.end()) {
            throw CannotRun(fmt::format(
                "{} does not say which lab it is of: name the expectation with --expect",
                arguments_.recording));
        }
        return load_lab(find_lab(lab->second, lab_directories(arguments_.lab_directories)))
            .expectation();
    }

    std::set<std::size_t> everything() const { return numbers_of({"all"}, proposal_.hunks.size()); }
    std::string with(const std::set<std::size_t>& numbers) const {
        return bless::with_hunks(text_, proposal_, numbers);
    }

    /// The accepted ones; nothing where that is not decided for all of them.
    std::optional<std::set<std::size_t>> decide() const {
        const auto count = proposal_.hunks.size();
        auto accepted = numbers_of(arguments_.accept, count);
        const auto rejected = numbers_of(arguments_.reject, count);
        // What both name is rejected: "--accept all --reject 2".
        for (const auto number : rejected) accepted.erase(number);
        const bool asked = arguments_.accept.empty() && arguments_.reject.empty();
        if (asked && ::isatty(STDIN_FILENO) == 1) return review(text_, proposal_, options_);
        for (std::size_t number = 0; number < count; ++number) {
            show_hunk(text_, proposal_, number, options_);
        }
        if (accepted.size() + rejected.size() < count) return std::nullopt;
        return accepted;
    }

    int wait() const {
        std::cout << fmt::format(
            "{} and {} has all of it. Decide each on a terminal, or with --accept and "
            "--reject.\n",
            proposal_.hunks.size() == 1 ? "1 change waits,"
                                        : fmt::format("{} changes wait,", proposal_.hunks.size()),
            beside_.string());
        return exit_diverged;
    }

    int settle(const std::set<std::size_t>& accepted) const {
        const auto text = with(accepted);
        const auto expectation = parse_expectation(text);
        if (!accepted.empty()) guest::write_file_atomically(file_, text);
        fs::remove(beside_);
        const auto verdict = check(recording_, expectation);
        std::cout << fmt::format("{} of {} changes accepted{}; by it the recording {}\n",
                                 accepted.size(), proposal_.hunks.size(),
                                 accepted.empty() ? "" : ": " + file_.string() + " is the new one",
                                 verdict.outcome == Outcome::passed ? "passes" : "does not pass");
        return exit_status(verdict.outcome);
    }

    const BlessArguments& arguments_;
    ShowOptions options_;
    chain::Recording recording_;
    fs::path file_;
    fs::path beside_;
    std::string text_;
    Proposal proposal_;
};

}  // namespace

void add_bless_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand(
        "bless", "The kernel is right, and the expectation is not: change it, after a look");
    command->footer(
        "For each place where the recording leaves its lab's expectation a change is proposed: a "
        "step\n"
        "more, a step less, another name, one that cannot be seen. All of them are written beside\n"
        "the expectation (expect.json.new); those that you accept go into it.\n"
        "\n"
        "Nothing is blessed in CI (the environment variable CI is set), from a recording that "
        "lost\n"
        "events, or into a draft.\n"
        "\n"
        "Examples:\n"
        "  skbtrail bless skbtrail-results/DIRECTORY                     decide on the terminal\n"
        "  skbtrail bless skbtrail-results/DIRECTORY < /dev/null         only look\n"
        "  skbtrail bless skbtrail-results/DIRECTORY --accept all --reject 3\n"
        "\n"
        "Exit status: 0 by the expectation as it is now the recording passes, 1 it does not, or\n"
        "changes wait, 2 could not.");
    auto arguments = std::make_shared<BlessArguments>();
    command
        ->add_option("recording", arguments->recording, "A recording, or a run's result directory")
        ->required()
        ->type_name("RECORDING");
    command
        ->add_option("--expect", arguments->expectation,
                     "The expectation; by default that of the lab it was recorded by")
        ->type_name("FILE")
        ->check(CLI::ExistingFile);
    command->add_option("--accept", arguments->accept, "Accept these changes: numbers, or all")
        ->type_name("N,...")
        ->delimiter(',');
    command->add_option("--reject", arguments->reject, "Reject these: numbers, or all")
        ->type_name("N,...")
        ->delimiter(',');
    add_labs_option(*command, arguments->lab_directories);
    add_look_options(*command, arguments->look);
    command->callback(
        [arguments, &chosen] { chosen = [arguments] { return Blessing(*arguments).run(); }; });
}

}  // namespace skbtrail::labs
