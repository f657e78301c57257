#include "labs/check/visibility.h"

#include <algorithm>

#include <fmt/format.h>

#include "tracer/chain/glob.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {

Visibility::Visibility(const chain::Observed& observed, NameTable& names)
    : observed_(observed), names_(names) {
    for (const std::string& function : observed.traced) traced_.insert(names.id(function));
    for (const chain::Unavailable& function : observed.unavailable) {
        unavailable_.emplace(names.id(function.function), function.reason);
    }
}

std::optional<std::string> Visibility::why_invisible(NameId name) const {
    if (traced_.empty() || traced_.contains(name)) return std::nullopt;
    const std::string& text = names_.text(name);
    if (const auto known = unavailable_.find(name); known != unavailable_.end()) {
        return fmt::format("{} cannot be seen on this kernel ({}): it could not be attached to: {}",
                           text, observed_.kernel_release, known->second);
    }
    std::vector<std::string_view> candidates;
    candidates.reserve(traced_.size());
    for (const NameId traced : traced_) candidates.push_back(names_.text(traced));
    std::sort(candidates.begin(), candidates.end());
    return fmt::format(
        "{} cannot be seen on this kernel ({}): it is not among the {} functions that could be "
        "traced. It is inlined there, it has another name, or it does not exist{}",
        text, observed_.kernel_release, traced_.size(), chain::did_you_mean(text, candidates));
}

bool Visibility::any_visible(const std::string& glob) const {
    if (traced_.empty()) return true;
    // Every name of a function counts: the table's own and the recorded one.
    return std::any_of(traced_.begin(), traced_.end(),
                       [&](NameId name) { return chain::glob_matches(glob, names_.text(name)); }) ||
           traced_.contains(names_.id(glob));
}

}  // namespace skbtrail::labs
