#include "labs/check/skb_values.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

using chain::SkbGeometry;

struct SkbValue {
    std::string_view name;
    std::int64_t (*get)(const SkbGeometry&);
    void (*change)(SkbGeometry&);
};

/// A member that is a number.
template <auto Member>
constexpr SkbValue number(std::string_view name) {
    return {name, [](const SkbGeometry& skb) -> std::int64_t { return skb.*Member; },
            [](SkbGeometry& skb) { ++(skb.*Member); }};
}

constexpr std::array skb_values = {
    number<&SkbGeometry::data>("data"),
    number<&SkbGeometry::tail>("tail"),
    number<&SkbGeometry::len>("len"),
    number<&SkbGeometry::data_len>("data_len"),
    number<&SkbGeometry::users>("users"),
    SkbValue{"cloned", [](const SkbGeometry& skb) -> std::int64_t { return skb.cloned ? 1 : 0; },
             [](SkbGeometry& skb) { skb.cloned = !skb.cloned; }},
    number<&SkbGeometry::gso_size>("gso_size"),
    number<&SkbGeometry::gso_segs>("gso_segs"),
    number<&SkbGeometry::queue>("queue"),
};

const SkbValue* find_skb_value(std::string_view name) {
    const auto found = std::find_if(skb_values.begin(), skb_values.end(),
                                    [&](const SkbValue& value) { return value.name == name; });
    return found == skb_values.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string_view> skb_value_names() {
    std::vector<std::string_view> names;
    names.reserve(skb_values.size());
    for (const SkbValue& value : skb_values) names.push_back(value.name);
    return names;
}

std::int64_t skb_value(const SkbGeometry& skb, std::string_view name) {
    const SkbValue* value = find_skb_value(name);
    return value == nullptr ? 0 : value->get(skb);
}

void change_skb_value(SkbGeometry& skb, std::string_view name) {
    if (const SkbValue* value = find_skb_value(name)) value->change(skb);
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
