// What a lab's README shows, block by block, so that a test can type its commands.
//
// A README has three kinds of fenced blocks:
//
//     ```console        commands behind "$ ", each with lines of what it prints below it
//     ```text           a picture
//     ```               what run.sh prints in the guest
//
// There is no fourth one, so whatever looks like output is the output of something.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace skbtrail::tests {

/// A command and what is shown of its output.
struct ShownCommand {
    std::string command;
    std::vector<std::string> output;  ///< lines, without the block's indentation
    std::size_t line = 0;             ///< of the command in the README, from 1
};

struct Readme {
    std::vector<ShownCommand> commands;  ///< in the order in which they are to be typed
    std::vector<std::string> pictures;
    std::vector<std::string> printed;  ///< blocks of what run.sh prints
    std::size_t questions = 0;         ///< numbered lines under "## Questions"
    std::string sources;               ///< the section "## In the kernel's source"
};

/// Reads a README. Throws std::runtime_error, which names the line: a block of another kind, one
/// that does not end, a command among the paragraphs, where nobody would run it.
Readme parse_readme(const std::string& text);

/// Which line of `printed`, from `from` on, shows `shown`; npos: none. Compared without what is
/// another in each run: numbers, and the runs of spaces that depend on how many digits they have;
/// and without what debug information tells of inlined functions, which not every machine has;
/// of several lines it is the one with most numbers in common. In a tree of calls the places of an
/// sk_buff's pointers are what it is about: there the numbers count, but for the packet's own and
/// for addresses.
std::size_t find_shown(const std::vector<std::string>& printed, const std::string& shown,
                       std::size_t from);

}  // namespace skbtrail::tests
