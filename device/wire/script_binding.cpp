#include "device/wire/script_binding.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "device/parse_number.h"

namespace skbtrail::device {

namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A name or a number, with the sign before it.
struct Term {
    bool minus = false;
    bool is_name = false;
    std::string_view text;
};

/// `$name`, then any number of `+` or `-` and a name or a number. None for another form.
std::optional<std::vector<Term>> parse_terms(std::string_view text) {
    std::vector<Term> terms;
    while (!text.empty()) {
        Term term;
        if (!terms.empty()) {
            if (text.front() != '+' && text.front() != '-') {
                return std::nullopt;
            }
            term.minus = text.front() == '-';
            text.remove_prefix(1);
        }
        term.is_name = text.starts_with('$');
        text.remove_prefix(term.is_name ? 1 : 0);
        const auto end = std::ranges::find_if(text, [](char c) { return c == '+' || c == '-'; });
        term.text = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        text.remove_prefix(term.text.size());
        const bool good = term.is_name
                              ? is_binding_name(term.text)
                              : !term.text.empty() && std::ranges::all_of(term.text, is_digit);
        if (!good || (terms.empty() && !term.is_name)) {
            return std::nullopt;
        }
        terms.push_back(term);
    }
    return terms.empty() ? std::nullopt : std::optional(terms);
}

}  // namespace

bool is_binding_name(std::string_view name) {
    return !name.empty() && is_letter(name.front()) && std::ranges::all_of(name, [](char c) {
        return is_letter(c) || is_digit(c) || c == '_';
    });
}

bool is_reference(std::string_view text) {
    return parse_terms(text).has_value();
}

std::vector<std::string> names_in(std::string_view reference) {
    std::vector<std::string> names;
    if (const auto terms = parse_terms(reference)) {
        for (const Term& term : *terms) {
            if (term.is_name) {
                names.emplace_back(term.text);
            }
        }
    }
    return names;
}

std::optional<std::string> resolve_reference(std::string_view reference, const Bindings& bindings) {
    const auto terms = parse_terms(reference);
    if (!terms) {
        return std::nullopt;
    }
    const auto value_of = [&bindings](const Term& term) -> std::optional<std::string> {
        if (!term.is_name) {
            return std::string(term.text);
        }
        const auto found = bindings.find(term.text);
        return found == bindings.end() ? std::nullopt : std::optional(found->second);
    };
    if (terms->size() == 1) {
        return value_of(terms->front());
    }
    std::uint32_t sum = 0;
    for (const Term& term : *terms) {
        const auto value = value_of(term);
        const auto number = value ? parse_number<std::uint64_t>(*value) : std::nullopt;
        if (!number) {
            return std::nullopt;
        }
        const auto part = static_cast<std::uint32_t>(*number);
        sum = term.minus ? sum - part : sum + part;
    }
    return std::to_string(sum);
}

std::string sample_value(std::string_view word) {
    // Numbers in the middle, where something can be added and taken away.
    constexpr std::array<std::string_view, 9> candidates{
        "1000", "100", "5", "4", "192.0.2.1", "2001:db8::1", "02:00:00:00:00:01", "SYN", "true"};
    for (const auto candidate : candidates) {
        if (auto canonical = canonical_header_value(word, candidate)) {
            return *canonical;
        }
    }
    return "1";
}

bool has_references(const nlohmann::json& json) {
    if (json.is_string()) {
        return is_reference(json.get_ref<const std::string&>());
    }
    if (!json.is_structured()) {
        return false;
    }
    return std::ranges::any_of(json.items(), [](const auto& item) {
        return item.key() != "payload" && has_references(item.value());
    });
}

std::optional<nlohmann::json> resolve_all(const nlohmann::json& json, const Bindings& bindings,
                                          std::string& problem) {
    if (json.is_string() && is_reference(json.get_ref<const std::string&>())) {
        const auto& reference = json.get_ref<const std::string&>();
        const auto value = resolve_reference(reference, bindings);
        if (!value) {
            problem = reference;
            return std::nullopt;
        }
        const auto number = parse_number<std::uint64_t>(*value);
        return number ? nlohmann::json(*number) : nlohmann::json(*value);
    }
    if (!json.is_structured()) {
        return json;
    }
    nlohmann::json result = json;
    for (auto& [key, value] : result.items()) {
        if (key == "payload") {
            continue;
        }
        auto resolved = resolve_all(value, bindings, problem);
        if (!resolved) {
            return std::nullopt;
        }
        value = std::move(*resolved);
    }
    return result;
}

}  // namespace skbtrail::device
