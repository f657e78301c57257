#include "labs/diff/rules.h"

#include <algorithm>
#include <utility>

#include <fnmatch.h>
#include <nlohmann/json.hpp>

#include "labs/diff/rules_text.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs::diff {
namespace {

constexpr chain::DocumentKind rules_kind{"skbtrail-diff-rules", 1, "a list of rules for diff"};

bool matches(const std::vector<std::string>& globs, const std::string& name) {
    return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
        return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
    });
}

}  // namespace

std::vector<Rule> parse_rules(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, rules_kind);
    std::vector<Rule> rules;
    const auto list = object.required("rules");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto element = list.element(i);
        chain::JsonObject read(element);
        Rule& rule = rules.emplace_back();
        read.required("name", rule.name);
        read.required("reason", rule.reason);
        read.optional("below", rule.below);
        read.optional("apart", rule.apart);
        read.optional("through", rule.through);
        read.optional("may_come", rule.may_come);
        read.optional("repeats", rule.repeats);
        read.optional("headers", rule.headers);
        read.optional("not_compared", rule.not_compared);
        read.finish();
    }
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
            if (matches(globs, text)) entry.effects.emplace_back(effect, i);
        };
        add(Effect::apart, rule.apart);
        add(Effect::through, rule.through);
        add(Effect::may_come, rule.may_come);
        add(Effect::repeats, rule.repeats);
        if (matches(rule.below, text)) entry.opens.push_back(i);
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
    return std::none_of(rules_.begin(), rules_.end(),
                        [&](const Rule& rule) { return matches(rule.headers, field); });
}

}  // namespace skbtrail::labs::diff
