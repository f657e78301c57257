// What came of a check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

enum class Outcome : std::uint8_t {
    passed,
    diverged,       ///< the kernel did something else than what was expected
    not_judgeable,  ///< the recording cannot tell: something was lost, or is not recorded
    skipped,        ///< not expected on this kernel: a condition excludes it
};

/// Why a chain is not as expected, as far as the recording can tell.
enum class Cause : std::uint8_t {
    not_called,       ///< nothing called the expected function
    cannot_be_seen,   ///< this kernel gives no way to see it: inlined, static and folded, renamed
    lost,             ///< the recording lost events just there
    other_order,      ///< the same function called it, but earlier or later
    other_parent,     ///< another function of the chain called it
    other_chain,      ///< it was called in another chain only
    other_packet,     ///< it was called there, but for another packet
    other_skb,        ///< for that packet, but its sk_buff stood otherwise
    other_poll,       ///< all that was as expected, but a poll's budget or work
    unexpected_call,  ///< a call came that the expectation does not name
    forbidden_call,   ///< a call came that the expectation forbids
    no_packet,        ///< no packet of the recording is what the chain is about
    no_chain,         ///< no chain of the recording starts so, or none with that packet
    count,            ///< the chain came more often than it may
};

/// One line of the way to a divergence.
struct PathLine {
    std::size_t depth = 0;  ///< 0: the root
    std::string function;   ///< as recorded, with its suffix
    bool ancestor = false;  ///< it called what follows; else a sibling that was as expected
};

/// The first place where the best candidate leaves what was expected.
struct Divergence {
    std::optional<chain::ChainId> chain;    ///< the best candidate; absent where there is none
    std::optional<chain::PacketId> packet;  ///< the packet it was compared for
    std::vector<std::string> path;          ///< functions from the root to the caller, as recorded
    std::vector<PathLine> lines;  ///< the path, and the expected calls just before the place
    std::string expected;
    std::string came;
    Cause cause = Cause::not_called;
    std::string explanation;  ///< the likely cause, in a sentence
    std::string next;         ///< what to do
    /// JSON pointer of the step in the expectation; of a list that was over, of the step whose it
    /// is, or of the chain.
    std::string place;
    bool list_over = false;  ///< no step of the list could have come any more
    std::string called;  ///< the function that was called at the place, no suffix; empty: none was
    std::string last;    ///< JSON pointer of the last step of the list that was left; empty: none
};

/// What came of one expected chain.
struct ChainVerdict {
    std::string name;
    Outcome outcome = Outcome::passed;
    std::vector<chain::ChainId> chains;    ///< that are as expected, one per packet
    std::vector<chain::PacketId> packets;  ///< theirs, in the same order; empty without a packet
    std::string reason;                    ///< of `skipped` and `not_judgeable`
    std::optional<Divergence> divergence;
};

struct Verdict {
    Outcome outcome = Outcome::passed;
    std::string lab;  ///< as the recording names it; may be empty
    std::string title;
    std::string kernel_release;
    std::string reason;  ///< why the whole is not judgeable, where no chain says it
    std::vector<ChainVerdict> chains;
    /// The calls that the expectation forbids everywhere, and that came.
    std::vector<Divergence> forbidden;
    std::vector<chain::Loss> losses;  ///< every counter of the recording, also those at 0

    std::size_t count(Outcome wanted) const;
};

/// "passed", "diverged", "not_judgeable", "skipped".
std::string_view outcome_name(Outcome outcome);
/// "not_called", … as in the JSON text.
std::string_view cause_name(Cause cause);

/// The verdict as JSON text (verdict.schema.json), indented, ended by a newline.
std::string to_json(const Verdict& verdict);

}  // namespace skbtrail::labs
