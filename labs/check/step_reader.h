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
/// a fragment, the packet "$packet" is the one that the place that uses it names, and "$calls" are
/// the steps that it puts there.
class Fragments {
  public:
    /// There are none but those that every expectation has (paths.h).
    Fragments() = default;
    /// `value` has to outlive the fragments. `origin` names the file where that is not the
    /// expectation itself. Fails unless the value is an object.
    explicit Fragments(const chain::JsonValue& value, std::string origin = {});

    /// The steps of a fragment, and the file that they are in; empty: the expectation itself.
    struct Found {
        chain::JsonValue steps;
        std::string origin;
    };

    /// The fragment called `name`, of the expectation's own or of those that every expectation
    /// has; fails at `place` when there is none.
    Found find(const std::string& name, const chain::JsonValue& place) const;
    /// Of its own ones.
    std::vector<std::string> names() const;

  private:
    std::optional<Found> own(const std::string& name) const;

    std::optional<chain::JsonValue> value_;
    std::string origin_;
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
    /// What the place that uses a fragment says about it.
    struct Use {
        std::string name;
        std::string packet;       ///< what "$packet" stands for; empty: any
        std::vector<Step> calls;  ///< what "$calls" stands for
        std::string origin;       ///< the file that the fragment is in; empty: the expectation
    };

    /// Reads what is inside a fragment that `outer` uses.
    StepReader(const StepReader& outer, Use use);

    std::vector<Step> use_fragment(const chain::JsonValue& value) const;
    Step read_step(const chain::JsonValue& value) const;
    std::string place(const chain::JsonValue& value) const;
    void read_kind(chain::JsonObject& object, Step& step) const;
    void read_call(chain::JsonObject& object, Step& step) const;
    void read_any_of(chain::JsonObject& object, Step& step) const;
    void read_unordered(chain::JsonObject& object, Step& step) const;
    void read_somewhere(chain::JsonObject& object, Step& step) const;

    const std::vector<std::string>& bindings_;
    const Fragments& fragments_;
    std::vector<std::string> inside_;  ///< the fragments that this place is in, outermost first
    Use use_;                          ///< the innermost of them
};

}  // namespace skbtrail::labs
