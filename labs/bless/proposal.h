// What an expectation would have to say for a recording to pass: a change for each place where the
// two part, for a person to accept or reject.
//
// The check names the first place where a chain leaves what was expected. One small change is made
// there (a step more, a step less, another name), and the check is asked again, until the chain
// passes. A change loosens nothing that the recording does not contradict.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "labs/bless/json_place.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs::bless {

/// One change to review.
struct Hunk {
    std::string chain;  ///< name of the chain that asked for it
    std::string what;   ///< a sentence: what the kernel did, what the change says
    TextEdit edit;      ///< its place is the one in the old text
};

struct Proposal {
    std::vector<Hunk> hunks;
    std::vector<std::string> by_hand;  ///< what no small change can mend, sentences
};

/// Why nothing is proposed from such a recording, or for such an expectation; empty: there is no
/// reason. What was lost might have been what is missing.
std::string why_not(const chain::Recording& recording, std::string_view expectation);

/// Changes that make `recording` pass. `expectation`: the text of one. Throws chain::FormatError
/// when it is none.
Proposal propose(const chain::Recording& recording, std::string_view expectation);

/// The old text with the hunks of these numbers (from 0).
std::string with_hunks(std::string_view expectation, const Proposal& proposal,
                       const std::set<std::size_t>& numbers);

/// A hunk as lines of text: some of the old ones around it, "-" what goes, "+" what comes.
std::vector<std::string> lines_of(std::string_view expectation, const Hunk& hunk);

}  // namespace skbtrail::labs::bless
