// An expected chain, prepared for one recording: names are numbers, steps whose condition does not
// hold on the observed system are gone.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "labs/check/expectation.h"
#include "labs/check/forest.h"

namespace skbtrail::labs {

struct Pattern;

/// A list of steps.
struct PatternList {
    std::vector<const Pattern*> patterns;
    /// Functions that are named in it: these calls are compared even where they are noise.
    /// Sorted.
    std::vector<NameId> named;
    /// The step whose "calls" it is; null: of the chain, or an alternative.
    const Step* owner = nullptr;

    bool names(NameId name) const;
};

/// One step.
struct Pattern {
    const Step* step = nullptr;
    std::uint32_t id = 0;
    NameId name = 0;                     ///< of a call
    const PatternList* calls = nullptr;  ///< of a call: its closed list; null: a leaf
    std::vector<const PatternList*> alternatives;
};

/// The steps of one expected chain.
class Program {
  public:
    /// `expected` and `names` have to outlive the program.
    Program(const ExpectedChain& expected, const chain::Observed& observed, NameTable& names);
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// The steps below the root; null where anything may be below.
    const PatternList* calls() const { return calls_; }
    const NameTable& names() const { return names_; }

    /// Why the program cannot be judged: a step's condition is about something that the recording
    /// does not say. Empty: it can.
    const std::string& unknown() const { return unknown_; }

  private:
    const PatternList* add_list(const std::vector<Step>& steps, const Step* owner = nullptr);
    /// Null when conditions leave nothing of the step.
    const Pattern* add_pattern(const Step& step, std::vector<NameId>& named);
    const Pattern* add_inlinable(const Step& step, const std::vector<Step>& calls,
                                 std::vector<NameId>& named);
    const Pattern* keep(Pattern pattern);

    const chain::Observed& observed_;
    NameTable& names_;
    std::deque<Pattern> patterns_;
    std::deque<PatternList> lists_;
    std::deque<Step> choices_;  ///< made for calls that may be inlined
    const PatternList* calls_ = nullptr;
    std::string unknown_;
};

}  // namespace skbtrail::labs
