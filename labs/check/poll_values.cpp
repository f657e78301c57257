#include "labs/check/poll_values.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

struct PollValue {
    std::string_view name;
    std::optional<std::uint32_t> chain::Call::* member;
};

constexpr std::array poll_values = {PollValue{"budget", &chain::Call::budget},
                                    PollValue{"work", &chain::Call::work}};

const PollValue* find_poll_value(std::string_view name) {
    const auto* const found =
        std::find_if(poll_values.begin(), poll_values.end(),
                     [&](const PollValue& value) { return value.name == name; });
    return found == poll_values.end() ? nullptr : found;
}

}  // namespace

std::vector<std::string_view> poll_value_names() {
    std::vector<std::string_view> names;
    names.reserve(poll_values.size());
    for (const PollValue& value : poll_values) names.push_back(value.name);
    return names;
}

bool has_poll_values(const chain::Call& call, const std::map<std::string, std::uint32_t>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
        const PollValue* value = find_poll_value(entry.first);
        return value != nullptr && call.*value->member == entry.second;
    });
}

void change_poll_value(chain::Call& call, std::string_view name) {
    const PollValue* value = find_poll_value(name);
    if (value != nullptr && call.*value->member) ++*(call.*value->member);
}

std::string poll_values_text(const std::map<std::string, std::uint32_t>& wanted) {
    chain::Call call;
    for (const auto& [name, number] : wanted) {
        if (const PollValue* value = find_poll_value(name)) call.*value->member = number;
    }
    return poll_values_text(call);
}

std::string poll_values_text(const chain::Call& call) {
    std::string text;
    for (const PollValue& value : poll_values) {
        const auto& number = call.*value.member;
        if (number) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value.name, *number);
    }
    return text;
}

}  // namespace skbtrail::labs
