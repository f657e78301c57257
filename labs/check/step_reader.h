// Reads the steps of an expectation from JSON.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/expectation.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {

/// Lists of steps under a name, for several chains to share: the object under "fragments". Inside
/// a fragment, the packet "$packet" is the one that the place that uses it names.
class Fragments {
  public:
    /// There are none.
    Fragments() = default;
    /// `value` has to outlive the fragments. Fails unless it is an object.
    explicit Fragments(const chain::JsonValue& value);

    /// The steps of the fragment called `name`; fails at `place` when there is none.
    chain::JsonValue find(const std::string& name, const chain::JsonValue& place) const;
    std::vector<std::string> names() const;

  private:
    std::optional<chain::JsonValue> value_;
};

/// Knows which packets have a name at the place, and the fragments.
class StepReader {
  public:
    /// Both have to outlive the reader.
    StepReader(const std::vector<std::string>& bindings, const Fragments& fragments);

    std::vector<Step> read_steps(const chain::JsonValue& value) const;

    /// The name of a binding under "packet".
    std::string read_binding(const chain::JsonValue& value) const;

    /// Reads every fragment once, so that a mistake in one that nobody uses is found, too.
    static void check_fragments(const Fragments& fragments);

  private:
    /// Reads what is inside the fragment `name`, used by `outer` for the packet `packet`.
    StepReader(const StepReader& outer, std::string name, std::string packet);

    std::vector<Step> use_fragment(const chain::JsonValue& value) const;
    Step read_step(const chain::JsonValue& value) const;
    void read_kind(chain::JsonObject& object, Step& step) const;
    void read_call(chain::JsonObject& object, Step& step) const;
    void read_any_of(chain::JsonObject& object, Step& step) const;
    void read_unordered(chain::JsonObject& object, Step& step) const;
    void read_somewhere(chain::JsonObject& object, Step& step) const;

    const std::vector<std::string>& bindings_;
    const Fragments& fragments_;
    std::vector<std::string> inside_;  ///< the fragments that this place is in, outermost first
    std::string packet_;               ///< what "$packet" stands for there; empty: any
};

}  // namespace skbtrail::labs
