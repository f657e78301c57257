#include "labs/check/conditions.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

using Truth = ConditionAnswer::Truth;

/// Whether "6.12.38" is as ">=6.2" says. Only as many numbers are compared as the condition has:
/// "<=6.12" holds for every 6.12.x.
bool kernel_holds(std::string_view condition, std::string_view release) {
    const std::size_t digits = condition.find_first_not_of("<>=!");
    const std::string_view op = condition.substr(0, digits);
    const std::vector<unsigned> wanted = version_numbers(condition.substr(digits));
    std::vector<unsigned> found = version_numbers(release);
    found.resize(wanted.size(), 0);
    if (op == "<") return found < wanted;
    if (op == "<=") return found <= wanted;
    if (op == ">") return found > wanted;
    if (op == ">=") return found >= wanted;
    if (op == "!=") return found != wanted;
    return found == wanted;
}

ConditionAnswer config_holds(const std::string& option, const std::string& wanted,
                             const chain::Observed& observed) {
    const auto found = observed.config.find(option);
    if (found == observed.config.end()) {
        return {Truth::unknown, fmt::format("it depends on {}, and the recording does not say how "
                                            "this kernel was configured there",
                                            option)};
    }
    if (found->second == wanted) return {};
    return {Truth::no, fmt::format("it is expected with {}={} only, and this kernel has {}={}",
                                   option, wanted, option, found->second)};
}

ConditionAnswer feature_holds(const std::string& condition, const chain::Observed& observed) {
    const bool negated = condition.starts_with('!');
    const std::string feature = condition.substr(negated ? 1 : 0);
    bool recorded = false;
    bool negotiated = false;
    for (const chain::Interface& interface : observed.interfaces) {
        const auto& features = interface.features;
        recorded = recorded || !features.empty();
        negotiated =
            negotiated || std::find(features.begin(), features.end(), feature) != features.end();
    }
    if (!recorded) {
        return {Truth::unknown,
                fmt::format("it depends on the virtio feature {}, and the recording does not say "
                            "which features were negotiated",
                            feature)};
    }
    if (negotiated != negated) return {};
    return {Truth::no, fmt::format("it is expected {} the virtio feature {} only, which was {}",
                                   negated ? "without" : "with", feature,
                                   negotiated ? "negotiated" : "not negotiated")};
}

}  // namespace

std::vector<unsigned> version_numbers(std::string_view text) {
    std::vector<unsigned> numbers;
    std::size_t i = 0;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
        unsigned number = 0;
        for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
            constexpr unsigned largest = 1'000'000;
            number = std::min(largest, number * 10 + static_cast<unsigned>(text[i] - '0'));
        }
        numbers.push_back(number);
        if (i == text.size() || text[i] != '.') break;
        ++i;
    }
    return numbers;
}

ConditionAnswer holds(const Conditions& when, const chain::Observed& observed) {
    for (const std::string& condition : when.kernel) {
        if (version_numbers(observed.kernel_release).empty()) {
            return {Truth::unknown, fmt::format("it depends on the kernel's version, and \"{}\" "
                                                "is none",
                                                observed.kernel_release)};
        }
        if (!kernel_holds(condition, observed.kernel_release)) {
            return {Truth::no, fmt::format("it is expected on kernels {} only, and this one is {}",
                                           condition, observed.kernel_release)};
        }
    }
    // A condition that does not hold decides; one that is not known matters only if none does.
    ConditionAnswer unknown;
    const auto decides = [&](const ConditionAnswer& answer) {
        if (answer.truth == Truth::unknown && unknown.truth == Truth::yes) unknown = answer;
        return answer.truth == Truth::no;
    };
    for (const auto& [option, wanted] : when.config) {
        auto answer = config_holds(option, wanted, observed);
        if (decides(answer)) return answer;
    }
    for (const std::string& feature : when.features) {
        auto answer = feature_holds(feature, observed);
        if (decides(answer)) return answer;
    }
    return unknown;
}

}  // namespace skbtrail::labs
