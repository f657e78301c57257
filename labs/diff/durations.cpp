#include "labs/diff/durations.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tracer/chain/text.h"

namespace skbtrail::labs::diff {
namespace {

/// Functions that are listed.
constexpr std::size_t most_functions = 12;

std::optional<unsigned> instruction_clock(const chain::Recording& recording) {
    const auto& host = recording.observed.host;
    const auto clock = host.find("clock");
    const auto length = host.find("nanoseconds_per_instruction");
    if (clock == host.end() || clock->second != "instructions" || length == host.end()) {
        return std::nullopt;
    }
    const auto value = chain::whole_number<unsigned>(length->second);
    if (!value || *value == 0) return std::nullopt;
    return value;
}

/// What a call took itself, without those below; nothing where one of them has no end.
std::optional<chain::Nanoseconds> own(const chain::Call& call) {
    auto left = uninterrupted(call);
    for (const chain::Call& below : call.calls) {
        const auto less = uninterrupted(below);
        if (!left || !less) return std::nullopt;
        *left -= *less;
    }
    return left;
}

double relative_difference(chain::Nanoseconds a, chain::Nanoseconds b) {
    const auto most = std::max(a, b);
    return most <= 0 ? 0.0 : static_cast<double>(std::abs(a - b)) / static_cast<double>(most);
}

/// The value that `part` of all are not above.
double quantile(const std::vector<double>& sorted, double part) {
    if (sorted.empty()) return 0.0;
    const auto rank = std::ceil(part * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

std::optional<unsigned> common_instruction_clock(const chain::Recording& a,
                                                 const chain::Recording& b) {
    const auto of_a = instruction_clock(a);
    return of_a == instruction_clock(b) ? of_a : std::nullopt;
}

void DurationMeter::add(const chain::Call& a, const chain::Call& b) {
    pairs_.emplace(&a, &b);
}

bool DurationMeter::waits(const chain::Call& call) {
    if (const auto known = waits_.find(&call); known != waits_.end()) return known->second;
    const bool found = rules_.find(Effect::waits, names_.id(call.function), {}).has_value() ||
                       std::any_of(call.calls.begin(), call.calls.end(),
                                   [&](const chain::Call& below) { return waits(below); });
    waits_.emplace(&call, found);
    return found;
}

/// Whether both did the same, noise and other packets included.
bool DurationMeter::same_work(const chain::Call& a, const chain::Call& b) const {
    return a.function == b.function &&
           std::equal(a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
                      [&](const auto& one, const auto& other) { return same_work(one, other); });
}

Durations DurationMeter::sum_up(unsigned nanoseconds_per_instruction) {
    Durations result;
    result.nanoseconds_per_instruction = nanoseconds_per_instruction;
    std::vector<double> differences;
    std::map<std::string, FunctionCost> functions;
    for (const auto& [a, b] : pairs_) {
        if (waits(*a) || waits(*b)) continue;
        if (const auto own_a = own(*a), own_b = own(*b); own_a && own_b) {
            auto& cost = functions[a->function];
            ++cost.calls;
            cost.a += *own_a;
            cost.b += *own_b;
        }
        const auto took_a = uninterrupted(*a);
        const auto took_b = uninterrupted(*b);
        if (!took_a || !took_b || !same_work(*a, *b)) continue;
        differences.push_back(relative_difference(*took_a, *took_b));
    }
    std::sort(differences.begin(), differences.end());
    result.calls = differences.size();
    result.same = static_cast<std::size_t>(
        std::upper_bound(differences.begin(), differences.end(), 0.0) - differences.begin());
    result.median = quantile(differences, 0.5);
    result.percentile_95 = quantile(differences, 0.95);
    result.largest = differences.empty() ? 0.0 : differences.back();
    for (auto& [name, cost] : functions) {
        if (cost.a == cost.b) continue;
        cost.function = name;
        result.functions.push_back(cost);
    }
    std::stable_sort(result.functions.begin(), result.functions.end(),
                     [](const FunctionCost& one, const FunctionCost& other) {
                         return std::abs(one.b - one.a) > std::abs(other.b - other.a);
                     });
    if (result.functions.size() > most_functions) result.functions.resize(most_functions);
    return result;
}

}  // namespace skbtrail::labs::diff
