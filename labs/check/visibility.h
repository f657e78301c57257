// What the recording could have shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "labs/check/forest.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Which functions a recording's trees could contain on the kernel that was observed.
class Visibility {
  public:
    /// `observed` has to outlive this.
    Visibility(const chain::Observed& observed, NameTable& names);

    /// Why calls of `name` cannot be seen, in a sentence; nothing when they can (or when the
    /// recording does not say what was traced).
    std::optional<std::string> why_invisible(NameId name) const;

    /// Whether any function that can be seen is as `glob` says.
    bool any_visible(const std::string& glob) const;

  private:
    const chain::Observed& observed_;
    NameTable& names_;
    std::unordered_set<NameId> traced_;
    std::unordered_map<NameId, std::string> unavailable_;
};

}  // namespace skbtrail::labs
