#include "labs/check/skb_values.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

using chain::SkbGeometry;
using Value = std::int64_t (*)(const SkbGeometry&);

constexpr std::array<std::pair<std::string_view, Value>, 8> values = {{
    {"data", [](const SkbGeometry& skb) { return skb.data; }},
    {"tail", [](const SkbGeometry& skb) { return skb.tail; }},
    {"len", [](const SkbGeometry& skb) -> std::int64_t { return skb.len; }},
    {"data_len", [](const SkbGeometry& skb) -> std::int64_t { return skb.data_len; }},
    {"users", [](const SkbGeometry& skb) -> std::int64_t { return skb.users; }},
    {"cloned", [](const SkbGeometry& skb) -> std::int64_t { return skb.cloned ? 1 : 0; }},
    {"gso_size", [](const SkbGeometry& skb) -> std::int64_t { return skb.gso_size; }},
    {"gso_segs", [](const SkbGeometry& skb) -> std::int64_t { return skb.gso_segs; }},
}};

}  // namespace

std::vector<std::string_view> skb_value_names() {
    std::vector<std::string_view> names;
    names.reserve(values.size());
    for (const auto& [name, value] : values) names.push_back(name);
    return names;
}

std::int64_t skb_value(const SkbGeometry& skb, std::string_view name) {
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const auto& value) { return value.first == name; });
    return found == values.end() ? 0 : found->second(skb);
}

bool has_values(const SkbGeometry& skb, const std::map<std::string, std::int64_t>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& value) {
        return skb_value(skb, value.first) == value.second;
    });
}

std::string values_text(const std::map<std::string, std::int64_t>& wanted, const SkbGeometry* skb) {
    std::string text;
    for (const std::string_view name : skb_value_names()) {
        const auto value = wanted.find(std::string(name));
        if (value == wanted.end()) continue;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                            skb == nullptr ? value->second : skb_value(*skb, name));
    }
    return text;
}

}  // namespace skbtrail::labs
