// The command line as data: what --help says, for the man page and for shells that complete.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace skbtrail::labs::texts {

struct OptionText {
    std::vector<std::string> names;  ///< "-k", "--kernel"; one without dashes for an argument
    std::string value;               ///< what it takes, "KERNEL"; empty: it takes nothing
    std::vector<std::string> choices;
    std::string description;
    bool positional = false;
    bool required = false;
    bool repeated = false;  ///< an argument that may come several times
};

struct CommandText {
    std::vector<std::string> words;  ///< {"skbtrail", "kernels", "fetch"}
    std::string description;
    std::string footer;
    std::vector<OptionText> options;
    std::vector<CommandText> commands;

    /// "kernels fetch"; empty for the program itself.
    std::string name() const;
};

/// All of it, from the program's own definition; hidden options are left out.
CommandText describe(const CLI::App& app);

/// The man page, in man(7)'s macros.
std::string manual(const CommandText& program, const std::string& version);

/// A script that teaches bash, or zsh, to complete commands, options and their values.
std::string bash_completion(const CommandText& program);
std::string zsh_completion(const CommandText& program);

}  // namespace skbtrail::labs::texts
