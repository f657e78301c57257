// skbtrail manual, skbtrail completion: what --help says, for man and for shells.
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "labs/command.h"
#include "labs/texts/command_text.h"

namespace skbtrail::labs {

void add_text_commands(CLI::App& app, Action& chosen) {
    auto* manual = app.add_subcommand("manual", "Print the man page");
    manual->footer(
        "It says what --help says, all in one.\n"
        "\n"
        "Examples:\n"
        "  skbtrail manual | man -l -\n"
        "  skbtrail manual > ~/.local/share/man/man1/skbtrail.1");
    manual->callback([&app, &chosen] {
        chosen = [&app] {
            std::cout << texts::manual(texts::describe(app), SKBTRAIL_VERSION);
            return exit_passed;
        };
    });

    auto* completion =
        app.add_subcommand("completion", "Print a script that teaches a shell to complete");
    completion->footer(
        "Examples:\n"
        "  source <(skbtrail completion bash)\n"
        "  skbtrail completion zsh > ~/.zfunc/_skbtrail     (a directory of $fpath)\n"
        "  source <(skbtrail completion zsh)                (behind compinit)");
    auto shell = std::make_shared<std::string>();
    completion->add_option("shell", *shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}))
        ->type_name("SHELL");
    completion->callback([shell, &app, &chosen] {
        chosen = [shell, &app] {
            const auto program = texts::describe(app);
            std::cout << (*shell == "bash" ? texts::bash_completion(program)
                                           : texts::zsh_completion(program));
            return exit_passed;
        };
    });
}

}  // namespace skbtrail::labs
