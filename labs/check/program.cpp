#include "labs/check/program.h"

#include <algorithm>

#include <fmt/format.h>

#include "labs/check/conditions.h"

namespace skbtrail::labs {

bool PatternList::names(NameId name) const {
    return std::binary_search(named.begin(), named.end(), name);
}

Program::Program(const ExpectedChain& expected, const chain::Observed& observed, NameTable& names)
    : observed_(observed), names_(names) {
    if (expected.calls) calls_ = add_list(*expected.calls);
}

const PatternList* Program::add_list(const std::vector<Step>& steps, const Step* owner) {
    PatternList list;
    list.owner = owner;
    for (const Step& step : steps) {
        const ConditionAnswer answer = holds(step.when, observed_);
        if (answer.truth == ConditionAnswer::Truth::no) continue;
        if (answer.truth == ConditionAnswer::Truth::unknown && unknown_.empty()) {
            unknown_ = fmt::format("{}: {}", step.place, answer.reason);
        }
        if (const Pattern* pattern = add_pattern(step, list.named)) {
            list.patterns.push_back(pattern);
        }
    }
    std::sort(list.named.begin(), list.named.end());
    lists_.push_back(std::move(list));
    return &lists_.back();
}

const Pattern* Program::keep(Pattern pattern) {
    pattern.id = static_cast<std::uint32_t>(patterns_.size());
    patterns_.push_back(std::move(pattern));
    return &patterns_.back();
}

/// A choice between the call with its calls, and its calls alone. Both share one list: with many
/// such calls inside each other, copies would be beyond number.
const Pattern* Program::add_inlinable(const Step& step, const std::vector<Step>& calls,
                                      std::vector<NameId>& named) {
    const PatternList* inside = add_list(calls, &step);
    Pattern call;
    call.step = &step;
    call.name = names_.id(step.call);
    call.calls = inside;
    lists_.push_back({{keep(std::move(call))}, {names_.id(step.call)}, nullptr});

    Step choice;
    choice.kind = Step::Kind::any_of;
    choice.optional = step.optional;
    choice.place = step.place;
    choices_.push_back(std::move(choice));

    Pattern pattern;
    pattern.step = &choices_.back();
    pattern.alternatives = {&lists_.back(), inside};
    for (const PatternList* list : pattern.alternatives) {
        named.insert(named.end(), list->named.begin(), list->named.end());
    }
    return keep(std::move(pattern));
}

const Pattern* Program::add_pattern(const Step& step, std::vector<NameId>& named) {
    if (step.may_inline && step.calls) return add_inlinable(step, *step.calls, named);
    Pattern pattern;
    pattern.step = &step;
    if (step.kind == Step::Kind::call) {
        pattern.name = names_.id(step.call);
        named.push_back(pattern.name);
        if (step.calls) pattern.calls = add_list(*step.calls, &step);
    }
    for (const std::vector<Step>& alternative : step.alternatives) {
        const PatternList* list = add_list(alternative);
        // Conditions have removed all of it: then it is no alternative, rather than an empty one.
        if (list->patterns.empty() && !alternative.empty()) continue;
        pattern.alternatives.push_back(list);
        // What "somewhere" looks for stands at any depth, not in this list.
        if (step.kind != Step::Kind::somewhere) {
            named.insert(named.end(), list->named.begin(), list->named.end());
        }
    }
    if (!step.alternatives.empty() && pattern.alternatives.empty()) return nullptr;
    return keep(std::move(pattern));
}

}  // namespace skbtrail::labs
