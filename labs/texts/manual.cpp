#include <sstream>

#include <fmt/format.h>

#include "labs/texts/command_text.h"

namespace skbtrail::labs::texts {
namespace {

/// `text` as roff prints it: backslashes, dashes, and a dot or quote that begins a line.
std::string escaped(const std::string& text) {
    std::string result;
    bool line_begins = true;
    for (const char letter : text) {
        if (line_begins && (letter == '.' || letter == '\'')) result += "\\&";
        if (letter == '\\') {
            result += "\\e";
        } else if (letter == '-') {
            result += "\\-";
        } else {
            result += letter;
        }
        line_begins = letter == '\n';
    }
    return result;
}

/// A paragraph; lines that are indented or stand in columns keep their form.
std::string block(const std::string& text) {
    std::string result;
    std::istringstream lines(text);
    bool as_it_is = false;
    for (std::string line; std::getline(lines, line);) {
        const bool indented = line.starts_with("  ");
        if (indented != as_it_is) result += indented ? ".nf\n" : ".fi\n";
        as_it_is = indented;
        result += line.empty() ? ".PP\n" : escaped(line) + "\n";
    }
    if (as_it_is) result += ".fi\n";
    return result;
}

std::string option_text(const OptionText& option) {
    std::string names;
    for (const auto& name : option.names) {
        names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ",
                             escaped(option.positional ? option.value : name));
    }
    if (!option.positional && !option.value.empty()) {
        names += fmt::format(" \\fI{}\\fR", escaped(option.value));
    }
    return fmt::format(".TP\n{}\n{}\n", names, escaped(option.description));
}

std::string synopsis(const CommandText& command) {
    std::string text = ".B " + escaped("skbtrail " + command.name()) + "\n[options]";
    for (const OptionText& option : command.options) {
        if (!option.positional) continue;
        text += fmt::format(" {}\\fI{}\\fR{}{}", option.required ? "" : "[", escaped(option.value),
                            option.repeated ? " ..." : "", option.required ? "" : "]");
    }
    return text + "\n.br\n";
}

void add_synopses(const CommandText& command, std::string& page) {
    if (command.commands.empty()) page += synopsis(command);
    for (const CommandText& below : command.commands) add_synopses(below, page);
}

void add_command(const CommandText& command, std::string& page) {
    page +=
        fmt::format(".SS \"skbtrail {}\"\n{}", escaped(command.name()), block(command.description));
    for (const OptionText& option : command.options) page += option_text(option);
    if (!command.footer.empty()) page += ".PP\n" + block(command.footer);
    for (const CommandText& below : command.commands) add_command(below, page);
}

}  // namespace

std::string manual(const CommandText& program, const std::string& version) {
    // "skbtrail: watch one packet …": what apropos shows.
    const auto first_line = program.description.substr(0, program.description.find('\n'));
    const auto colon = first_line.find(": ");
    std::string page = fmt::format(
        ".TH SKBTRAIL 1 \"\" \"skbtrail {}\" \"User Commands\"\n.SH NAME\nskbtrail \\- {}\n"
        ".SH SYNOPSIS\n",
        escaped(version),
        escaped(colon == std::string::npos ? first_line : first_line.substr(colon + 2)));
    add_synopses(program, page);
    page += ".SH DESCRIPTION\n" + block(program.description);
    page += ".SH OPTIONS\n";
    for (const OptionText& option : program.options) page += option_text(option);
    page += ".SH COMMANDS\n";
    for (const CommandText& command : program.commands) add_command(command, page);
    page += ".SH NOTES\n" + block(program.footer);
    return page;
}

}  // namespace skbtrail::labs::texts
