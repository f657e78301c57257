#include "labs/check/check.h"

#include <utility>

#include <fmt/format.h>

#include "labs/check/chain_check.h"
#include "labs/check/forbidden.h"
#include "labs/check/losses.h"
#include "labs/check/packet_selection.h"

namespace skbtrail::labs {
namespace {

/// At most this many calls are described for one forbidden name.
constexpr std::size_t forbidden_shown = 4;

/// Judges what is forbidden in every chain.
void check_forbidden(const Evidence& evidence, const Expectation& expectation,
                     const Bindings& bindings, Verdict& verdict) {
    for (const Forbidden& forbidden : expectation.forbid) {
        if (std::string why = unprovable(evidence, forbidden); !why.empty()) {
            if (verdict.reason.empty()) verdict.reason = std::move(why);
            continue;
        }
        std::size_t shown = 0;
        for (const Tree& tree : evidence.forest.trees()) {
            for (const NodeId node : forbidden_calls(evidence.names, tree, forbidden, bindings)) {
                if (shown++ == forbidden_shown) break;
                verdict.forbidden.push_back(
                    describe_forbidden(tree, node, forbidden, std::nullopt));
            }
        }
    }
    if (expectation.forbid.empty() || !verdict.forbidden.empty() || !verdict.reason.empty()) return;
    verdict.reason = Losses(evidence.recording).anywhere(true);
    for (const Tree& tree : evidence.forest.trees()) {
        if (!verdict.reason.empty()) return;
        if (!tree.incomplete().empty()) {
            const chain::Call& call = *tree.node(tree.incomplete()[0]).call;
            verdict.reason = fmt::format("something forbidden may have come below {}: {}",
                                         call.function, call.incomplete);
        }
    }
}

Outcome overall(const Verdict& verdict) {
    if (!verdict.forbidden.empty() || verdict.count(Outcome::diverged) > 0) {
        return Outcome::diverged;
    }
    if (!verdict.reason.empty() || verdict.count(Outcome::not_judgeable) > 0) {
        return Outcome::not_judgeable;
    }
    return Outcome::passed;
}

}  // namespace

Bindings named_packets(const Evidence& evidence, const Expectation& expectation) {
    Bindings bindings;
    for (const auto& [name, selector] : expectation.packets) {
        bindings[name] = packets_like(evidence, selector);
    }
    return bindings;
}

Verdict check(const Evidence& evidence, const Expectation& expectation) {
    const chain::Recording& recording = evidence.recording;
    Verdict verdict;
    const auto lab = recording.observed.host.find("lab");
    if (lab != recording.observed.host.end()) verdict.lab = lab->second;
    verdict.title = expectation.title;
    verdict.kernel_release = recording.observed.kernel_release;
    verdict.losses = recording.losses;

    Bindings bindings = named_packets(evidence, expectation);
    for (const ExpectedChain& expected : expectation.chains) {
        verdict.chains.push_back(check_chain(evidence, expected, bindings));
    }
    check_forbidden(evidence, expectation, bindings, verdict);
    if (verdict.reason.empty() && verdict.count(Outcome::skipped) == verdict.chains.size()) {
        verdict.reason =
            "none of the expected chains applies to this kernel, so nothing was judged";
    }
    if (expectation.draft && verdict.reason.empty()) {
        verdict.reason =
            "the expectation is a draft: read it against the kernel's source, correct "
            "it, and remove \"draft\"";
    }
    verdict.outcome = overall(verdict);
    return verdict;
}

Verdict check(const chain::Recording& recording, const Expectation& expectation) {
    NameTable names(expectation.aliases, NoiseFilter(expectation.noise));
    const Forest forest(recording, names);
    const Visibility visibility(recording.observed, names);
    return check(Evidence{recording, forest, names, visibility}, expectation);
}

}  // namespace skbtrail::labs
