// Is what an expectation claims written in the kernel's source? Each step that stands directly
// below another one claims "A calls B", with `file` that B is defined there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "labs/check/expectation.h"
#include "labs/check/source/call_sites.h"

namespace skbtrail::labs::source {

/// What the source says of one claim.
struct Edge {
    enum class Finding : std::uint8_t {
        found,
        no_call,       ///< both are defined, and no way from one to the other was found
        no_caller,     ///< the calling function is not defined in the tree
        no_callee,     ///< the called function is not defined where the claim says
        not_claimed,   ///< a "somewhere": the way to it is not part of the claim
        other_kernel,  ///< a condition leaves the step out on this tree's version
    };
    std::string chain;
    std::string caller;
    std::string callee;
    std::string file;      ///< that defines the callee, as claimed; may be empty
    bool required = true;  ///< neither optional nor one of several alternatives
    Finding finding = Finding::found;
    CallSite site;       ///< of `found`
    std::string detail;  ///< of the others: a sentence
    std::string place;   ///< JSON pointer of the step
};

struct Verification {
    std::vector<Edge> edges;
    std::string release;  ///< of the source tree; may be empty

    std::size_t count(Edge::Finding finding) const;
    std::size_t count(CallSite::Kind kind) const;
    /// Required claims that the source does not confirm.
    std::vector<const Edge*> failures() const;
};

/// Checks every claim of `expectation` in `tree`. The same claim in several places is one edge.
Verification verify(const Expectation& expectation, const SourceTree& tree,
                    const CallTables& tables);

}  // namespace skbtrail::labs::source
