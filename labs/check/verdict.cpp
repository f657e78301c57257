#include "labs/check/verdict.h"

#include <algorithm>
#include <array>
#include <utility>

namespace skbtrail::labs {
namespace {

constexpr std::array<std::pair<Outcome, std::string_view>, 4> outcome_names = {{
    {Outcome::passed, "passed"},
    {Outcome::diverged, "diverged"},
    {Outcome::not_judgeable, "not_judgeable"},
    {Outcome::skipped, "skipped"},
}};

constexpr std::array<std::pair<Cause, std::string_view>, 14> cause_names = {{
    {Cause::not_called, "not_called"},
    {Cause::cannot_be_seen, "cannot_be_seen"},
    {Cause::lost, "lost"},
    {Cause::other_order, "other_order"},
    {Cause::other_parent, "other_parent"},
    {Cause::other_chain, "other_chain"},
    {Cause::other_packet, "other_packet"},
    {Cause::other_skb, "other_skb"},
    {Cause::other_poll, "other_poll"},
    {Cause::unexpected_call, "unexpected_call"},
    {Cause::forbidden_call, "forbidden_call"},
    {Cause::no_packet, "no_packet"},
    {Cause::no_chain, "no_chain"},
    {Cause::count, "count"},
}};

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
    const auto entry = std::find_if(table.begin(), table.end(),
                                    [&](const auto& pair) { return pair.first == value; });
    return entry == table.end() ? std::string_view() : entry->second;
}

}  // namespace

std::size_t Verdict::count(Outcome wanted) const {
    return static_cast<std::size_t>(std::count_if(
        chains.begin(), chains.end(), [&](const auto& chain) { return chain.outcome == wanted; }));
}

std::string_view outcome_name(Outcome outcome) {
    return name_in(outcome_names, outcome);
}
std::string_view cause_name(Cause cause) {
    return name_in(cause_names, cause);
}

}  // namespace skbtrail::labs
