#include "labs/diff/rules.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "labs/diff/rules_text.h"
#include "tracer/chain/glob.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs::diff {
namespace {

constexpr chain::DocumentKind rules_kind{"skbtrail-diff-rules", 1, "a list of rules for diff"};

Rule read_rule(const chain::JsonValue& value) {
    Rule rule;
    chain::JsonObject object(value);
    object.required("name", rule.name);
    object.required("reason", rule.reason);
    object.optional("below", rule.below);
    object.optional("apart", rule.apart);
    object.optional("through", rule.through);
    object.optional("may_come", rule.may_come);
    object.optional("repeats", rule.repeats);
    object.optional("waits", rule.waits);
    object.optional("headers", rule.headers);
    object.optional("contents", rule.contents);
    object.optional("not_compared", rule.not_compared);
    object.finish();
    return rule;
}

}  // namespace

std::vector<Rule> parse_rules(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, rules_kind);
    auto rules = chain::read_array(object.required("rules"), read_rule);
    object.finish();
    return rules;
}

const std::vector<Rule>& named_rules() {
    static const std::vector<Rule> rules = parse_rules(rules_text);
    return rules;
}

RuleBook::RuleBook(const std::vector<Rule>& rules, NameTable& names)
    : rules_(rules), names_(names) {}

const RuleBook::Entry& RuleBook::entry(NameId name) {
    if (const auto known = entries_.find(name); known != entries_.end()) return known->second;
    Entry entry;
    const std::string& text = names_.text(name);
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const Rule& rule = rules_[i];
        const auto add = [&](Effect effect, const std::vector<std::string>& globs) {
            if (chain::any_glob_matches(globs, text)) entry.effects.emplace_back(effect, i);
        };
        add(Effect::apart, rule.apart);
        add(Effect::through, rule.through);
        add(Effect::may_come, rule.may_come);
        add(Effect::repeats, rule.repeats);
        add(Effect::waits, rule.waits);
        if (chain::any_glob_matches(rule.below, text)) entry.opens.push_back(i);
    }
    return entries_.emplace(name, std::move(entry)).first->second;
}

std::optional<std::size_t> RuleBook::find(Effect effect, NameId name,
                                          std::span<const NameId> callers) {
    // The table of entries may move while callers are looked up.
    const auto effects = entry(name).effects;
    for (const auto& [its, index] : effects) {
        if (its != effect) continue;
        const bool applies =
            rules_[index].below.empty() ||
            std::any_of(callers.begin(), callers.end(), [&, rule = index](NameId caller) {
                const auto& opens = entry(caller).opens;
                return std::find(opens.begin(), opens.end(), rule) != opens.end();
            });
        if (applies) return index;
    }
    return std::nullopt;
}

bool RuleBook::compares_header(const std::string& field) const {
    return std::none_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
        return chain::any_glob_matches(rule.headers, field);
    });
}

std::optional<std::size_t> RuleBook::content_rule(const std::string& field) const {
    const auto found = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& rule) {
        return chain::any_glob_matches(rule.contents, field);
    });
    if (found == rules_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - rules_.begin());
}

}  // namespace skbtrail::labs::diff
