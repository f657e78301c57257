// What may differ between two recordings of the same kernel without anything being different: named
// rules with reasons, in rules.json. A rule leaves no function out: it explains a difference of a
// certain shape at a certain place, and what it explained is counted under its name.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "labs/check/forest.h"

namespace skbtrail::labs::diff {

/// One rule. Its lists hold globs (fnmatch) of functions without a compiler's suffix.
struct Rule {
    std::string name;
    std::string reason;
    std::vector<std::string> below;     ///< applies only below such a call; empty: anywhere
    std::vector<std::string> apart;     ///< with what they call they stand alone, wherever called
    std::vector<std::string> through;   ///< may stand between a caller and what it calls
    std::vector<std::string> may_come;  ///< may be there or not, with what they call
    std::vector<std::string> repeats;   ///< may be there more or less often, but at least once
    std::vector<std::string> waits;     ///< take as long as what they wait for
    std::vector<std::string> headers;   ///< header fields that do not tell packets apart
    std::vector<std::string> contents;  ///< those that do, but do not make another packet
    std::vector<std::string> not_compared;  ///< what is not looked at; for a reader
};

/// Reads a document of rules. Throws chain::FormatError.
std::vector<Rule> parse_rules(std::string_view json);

/// The rules of rules.json, which is part of the program.
const std::vector<Rule>& named_rules();

/// How a rule is applied to a call.
enum class Effect : std::uint8_t { apart, through, may_come, repeats, waits };

/// Rules, asked for by the numbers that functions have in one comparison.
class RuleBook {
  public:
    /// Both have to outlive this. An empty list of rules explains nothing.
    RuleBook(const std::vector<Rule>& rules, NameTable& names);

    /// The first rule with that effect on a call of `name` whose callers, from the root down, are
    /// `callers`: its place in the list.
    std::optional<std::size_t> find(Effect effect, NameId name, std::span<const NameId> callers);

    const Rule& rule(std::size_t index) const { return rules_[index]; }
    std::size_t size() const { return rules_.size(); }
    /// Whether a header field tells packets apart.
    bool compares_header(const std::string& field) const;
    /// The rule by which packets that differ in a header field alone may be the same: its place in
    /// the list.
    std::optional<std::size_t> content_rule(const std::string& field) const;

  private:
    /// What the rules say of one function: those with an effect on it, and those that it is
    /// "below" for.
    struct Entry {
        std::vector<std::pair<Effect, std::size_t>> effects;
        std::vector<std::size_t> opens;
    };
    const Entry& entry(NameId name);

    const std::vector<Rule>& rules_;
    NameTable& names_;
    std::unordered_map<NameId, Entry> entries_;
};

}  // namespace skbtrail::labs::diff
