#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/texts/command_text.h"

namespace skbtrail::labs::texts {
namespace {

// How a shell finds values that are not fixed. `skbtrail list` has a lab's name at the beginning of
// each line, and so has `skbtrail kernels list` a kernel's release.
constexpr std::string_view list_labs =
    "skbtrail list 2>/dev/null | sed -n 's/^\\([a-z0-9-]*\\)  .*/\\1/p'";
constexpr std::string_view list_kernels =
    "skbtrail kernels list 2>/dev/null | sed -n 's/^\\([^ ]*\\)  .*/\\1/p'";

enum class Source : std::uint8_t { none, choices, labs, kernels, directories, files };

Source source_of(const OptionText& option) {
    const std::string_view value = option.value;
    if (!option.choices.empty()) return Source::choices;
    if (value == "LAB") return Source::labs;
    if (value.starts_with("KERNEL") || value == "RELEASE") return Source::kernels;
    if (value == "DIR" || value == "TREE") return Source::directories;
    if (value == "FILE" || value == "PROGRAM" || value == "RECORDING" || value == "A B" ||
        value == "PATH") {
        return Source::files;
    }
    return Source::none;
}

std::string bash_values(const OptionText& option) {
    switch (source_of(option)) {
        case Source::choices:
            return fmt::format("-W \"{}\"", fmt::join(option.choices, " "));
        case Source::labs:
            return fmt::format("-W \"$({})\"", list_labs);
        case Source::kernels:
            return {};
        case Source::directories:
            return "-d";
        case Source::files:
            return "-f";
        case Source::none:
            break;
    }
    return "-W \"\"";
}

/// The statement that completes a value of `option`.
std::string bash_completes(const OptionText& option) {
    return source_of(option) == Source::kernels
               ? "_skbtrail_kernels \"$current\""
               : fmt::format("COMPREPLY=($(compgen {} -- \"$current\"))", bash_values(option));
}

template <typename Visit>
void each_command(const CommandText& command, const Visit& visit) {
    visit(command);
    for (const CommandText& below : command.commands) each_command(below, visit);
}

std::vector<std::string> words_after(const CommandText& command) {
    std::vector<std::string> words;
    for (const CommandText& below : command.commands) words.push_back(below.words.back());
    return words;
}

std::vector<std::string> option_names(const CommandText& command) {
    std::vector<std::string> names;
    for (const OptionText& option : command.options) {
        if (!option.positional) names.insert(names.end(), option.names.begin(), option.names.end());
    }
    return names;
}

/// Text inside of zsh's '[…]' inside of single quotes.
std::string zsh_escaped(const std::string& text) {
    std::string result;
    for (const char letter : text) {
        if (letter == '\'') {
            result += "'\\''";
        } else if (letter == '[' || letter == ']' || letter == ':' || letter == '\\') {
            result += std::string("\\") + letter;
        } else if (letter == '\n') {
            result += ' ';
        } else {
            result += letter;
        }
    }
    return result;
}

std::string zsh_values(const OptionText& option) {
    switch (source_of(option)) {
        case Source::choices:
            return fmt::format("({})", fmt::join(option.choices, " "));
        case Source::labs:
            return "_skbtrail_labs";
        case Source::kernels:
            return "_skbtrail_kernels";
        case Source::directories:
            return "_files -/";
        case Source::files:
            return "_files";
        case Source::none:
            break;
    }
    return " ";
}

std::string zsh_arguments(const CommandText& command) {
    std::string text = "        _arguments -S";
    for (const OptionText& option : command.options) {
        const auto value = option.value.empty() ? std::string()
                                                : fmt::format(":{}:{}", zsh_escaped(option.value),
                                                              zsh_values(option));
        if (option.positional) {
            text += fmt::format(" \\\n            '{}{}'", option.repeated ? "*" : "", value);
            continue;
        }
        for (const auto& name : option.names) {
            text += fmt::format(" \\\n            '*{}[{}]{}'", name,
                                zsh_escaped(option.description), value);
        }
    }
    return text;
}

}  // namespace

std::string bash_completion(const CommandText& program) {
    std::string commands;
    std::string values;
    std::string options;
    std::string arguments;
    each_command(program, [&](const CommandText& command) {
        const auto name = command.name();
        if (!command.commands.empty()) {
            commands += fmt::format("            \"{}\") words=\"{}\" ;;\n", name,
                                    fmt::join(words_after(command), " "));
        }
        options += fmt::format("        \"{}\") words=\"{}\" ;;\n", name,
                               fmt::join(option_names(command), " "));
        for (const OptionText& option : command.options) {
            if (option.positional) {
                arguments += fmt::format("        \"{}\") {} ;;\n", name, bash_completes(option));
            } else if (!option.value.empty()) {
                std::vector<std::string> cases;
                for (const auto& its : option.names) {
                    cases.push_back(fmt::format("\"{} {}\"", name, its));
                }
                values += fmt::format("        {}) {}; return ;;\n", fmt::join(cases, "|"),
                                      bash_completes(option));
            }
        }
    });
    return fmt::format(R"sh(# bash completion for skbtrail: `source <(skbtrail completion bash)`
# Several with commas between: the last one is completed, by its name or, if it is one's own, its path.
_skbtrail_kernels() {{
    local last="${{1##*,}}"
    local before="${{1%"$last"}}"
    COMPREPLY=($(compgen -P "$before" -W "$({})" -- "$last" || :))
    COMPREPLY+=($(compgen -P "$before" -f -- "$last" || :))
}}

_skbtrail() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="" words="" word
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        words=""
        case "$command" in
{}        esac
        case " $words " in *" $word "*) command="${{command:+$command }}$word" ;; esac
    done
    case "$command $previous" in
{}    esac
    words=""
    if [[ "$current" == -* ]]; then
        case "$command" in
{}        esac
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        return
    fi
    case "$command" in
{}    esac
    if [[ -n "$words" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        return
    fi
    case "$command" in
{}    esac
}}
complete -o filenames -F _skbtrail skbtrail
)sh",
                       list_kernels, commands, values, options, commands, arguments);
}

std::string zsh_completion(const CommandText& program) {
    std::string text = fmt::format(
        R"sh(#compdef skbtrail
# zsh completion for skbtrail: `skbtrail completion zsh > _skbtrail` in a directory of $fpath, or
# behind compinit `source <(skbtrail completion zsh)`
_skbtrail_labs() {{ compadd -- ${{(f)"$({})"}} }}
_skbtrail_kernels() {{ compset -P '*,'; compadd -- ${{(f)"$({})"}}; _files }}

_skbtrail() {{
    local command="" word
    integer index=2 depth=0
    while (( index < CURRENT )); do
        word=$words[index]
        case "$command $word" in
)sh",
        list_labs, list_kernels);
    each_command(program, [&](const CommandText& command) {
        for (const CommandText& below : command.commands) {
            text += fmt::format("            \"{} {}\") command=\"{}\"; depth=index-1 ;;\n",
                                command.name(), below.words.back(), below.name());
        }
    });
    text +=
        "        esac\n"
        "        (( index++ ))\n"
        "    done\n"
        "    shift $depth words\n"
        "    (( CURRENT -= depth ))\n"
        "    case \"$command\" in\n";
    each_command(program, [&](const CommandText& command) {
        text += fmt::format("    \"{}\")\n", command.name());
        if (command.commands.empty()) {
            text += zsh_arguments(command) + "\n        ;;\n";
            return;
        }
        text += "        local -a commands=(";
        for (const CommandText& below : command.commands) {
            text += fmt::format("\n            '{}:{}'", below.words.back(),
                                zsh_escaped(below.description));
        }
        text += ")\n        _describe command commands\n        ;;\n";
    });
    return text + R"sh(    esac
}
if [[ "${funcstack[1]-}" == _skbtrail ]]; then
    _skbtrail "$@"
else
    compdef _skbtrail skbtrail
fi
)sh";
}

}  // namespace skbtrail::labs::texts
