#include "labs/texts/command_text.h"

#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::labs::texts {
namespace {

/// Validators of a choice describe themselves as "{text,json}".
std::vector<std::string> choices_of(CLI::Option& option) {
    std::vector<std::string> choices;
    try {
        const auto text = option.get_validator(0)->get_description();
        const auto open = text.find('{');
        const auto close = text.find('}');
        if (open == std::string::npos || close == std::string::npos) return choices;
        std::istringstream list(text.substr(open + 1, close - open - 1));
        for (std::string choice; std::getline(list, choice, ',');) choices.push_back(choice);
    } catch (const CLI::OptionNotFound&) {
        return choices;
    }
    return choices;
}

OptionText describe_option(CLI::Option& option) {
    OptionText text;
    for (const auto& name : option.get_snames()) text.names.push_back("-" + name);
    for (const auto& name : option.get_lnames()) text.names.push_back("--" + name);
    text.positional = text.names.empty();
    if (text.positional) text.names.push_back(option.get_name(true));
    const bool takes = option.get_type_size_max() > 0;
    if (takes) {
        // The type's own name ends where the validators' texts begin.
        text.value = option.get_type_name();
        text.value = text.value.substr(0, text.value.find(':'));
    }
    text.choices = choices_of(option);
    text.description = option.get_description();
    text.required = option.get_required();
    text.repeated = option.get_items_expected_max() > 1;
    return text;
}

CommandText describe_command(const CLI::App& app, std::vector<std::string> words) {
    CommandText text;
    words.push_back(app.get_name());
    text.words = words;
    text.description = app.get_description();
    text.footer = app.get_footer();
    // CLI11 hands out validators of options that may be changed only.
    for (auto* option : const_cast<CLI::App&>(app).get_options()) {
        if (!option->get_group().empty()) text.options.push_back(describe_option(*option));
    }
    for (const auto* below : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!below->get_group().empty()) text.commands.push_back(describe_command(*below, words));
    }
    return text;
}

}  // namespace

std::string CommandText::name() const {
    return fmt::format("{}", fmt::join(words.begin() + 1, words.end(), " "));
}

CommandText describe(const CLI::App& app) {
    return describe_command(app, {});
}

}  // namespace skbtrail::labs::texts
