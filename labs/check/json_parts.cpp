#include "labs/check/json_parts.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/names.h"

namespace skbtrail::labs {

using chain::JsonObject;
using chain::JsonValue;

namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$';
}

/// ">=6.2", "<6.9.1", "6.12".
void check_kernel_condition(const JsonValue& value, const std::string& text) {
    const std::size_t digits = text.find_first_not_of("<>=!");
    const std::string op = text.substr(0, digits);
    constexpr std::array<std::string_view, 7> operators = {"", "=", "==", "!=", "<", "<=", ">"};
    const bool known =
        op == ">=" || std::find(operators.begin(), operators.end(), op) != operators.end();
    bool number = false;
    bool well_formed = digits != std::string::npos;
    for (std::size_t i = digits; well_formed && i < text.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        well_formed = digit || (text[i] == '.' && number);
        number = digit;
    }
    if (!known || !well_formed || !number) {
        value.fail(
            fmt::format("\"{}\" is no condition on a kernel's version; write for example "
                        "\">=6.2\", \"<6.9\" or \"6.12\" (any 6.12.x)",
                        text));
    }
}

}  // namespace

std::vector<std::string> read_one_or_more(const JsonValue& value) {
    if (value.is_text() || value.json().is_number()) return {value.get<std::string>()};
    auto result = value.get<std::vector<std::string>>();
    if (result.empty()) value.fail("this list is empty; name at least one");
    return result;
}

std::string read_function(const JsonValue& value) {
    const auto name = value.get<std::string>();
    if (name.empty()) value.fail("a function's name cannot be empty");
    const auto odd = std::find_if_not(name.begin(), name.end(), is_name_character);
    if (odd != name.end()) {
        const bool glob = *odd == '*' || *odd == '?' || *odd == '[';
        value.fail(fmt::format("\"{}\" is not the name of a function{}", name,
                               glob ? "; a glob can stand in \"forbid\" and \"noise\" only"
                                    : "; write it as kallsyms does, without () or arguments"));
    }
    return std::string(chain::base_name(name));
}

CountRange read_count(const JsonValue& value) {
    CountRange count;
    if (!value.is_object()) {
        count.min = value.get<unsigned>();
        count.max = count.min;
        return count;
    }
    JsonObject object(value);
    object.optional("min", count.min);
    object.optional("max", count.max);
    object.finish();
    if (count.max && *count.max < count.min) {
        value.fail(
            fmt::format("at least {} and at most {} cannot both hold", count.min, *count.max));
    }
    return count;
}

Conditions read_conditions(const JsonValue& value) {
    Conditions when;
    JsonObject object(value);
    if (const auto kernel = object.find("kernel")) {
        when.kernel = read_one_or_more(*kernel);
        for (const std::string& text : when.kernel) check_kernel_condition(*kernel, text);
    }
    if (const auto config = object.find("config")) {
        when.config = config->get<std::map<std::string, std::string>>();
        for (const auto& [option, wanted] : when.config) {
            if (!option.starts_with("CONFIG_")) {
                config->fail(
                    fmt::format("\"{}\" is no kernel option; they begin with CONFIG_", option));
            }
        }
    }
    object.optional("features", when.features);
    object.finish();
    if (when.empty())
        value.fail(
            "this condition says nothing: \"kernel\", \"config\" or "
            "\"features\" is missing");
    return when;
}

}  // namespace skbtrail::labs
