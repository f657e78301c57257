// What a comparison of two recordings found. Pure data: labs/show prints it, comparison_json.cpp
// writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

/// In which way something is different. A is the first recording, B the second.
enum class Change : std::uint8_t {
    gone,           ///< a call of A that B does not have
    added,          ///< a call of B that A does not have
    moved,          ///< the same call elsewhere: another caller, or another place among its calls
    renamed,        ///< another name in the same place, and one of them is not known to the other
    packet_gone,    ///< a packet of A that B does not have
    packet_added,   ///< a packet of B that A does not have
    chain_gone,     ///< a chain without a packet that A has by this name, and B does not
    chain_added,    ///< the other way round
    fate,           ///< another end of the same packet
    inlined,        ///< one side cannot show the call, but shows what it calls in its caller
    not_traceable,  ///< one side cannot show the call: whether it came is not known
    lost,           ///< one side lost events just there: whether the call came is not known
};

/// "gone", "added", …
std::string_view change_name(Change change);

/// Whether the change says that a path is another one. The last three say only that one recording
/// shows less.
bool is_difference(Change change);

enum class Side : std::uint8_t { a, b };

/// What was compared: one packet in both recordings, or one chain that handles none and has a name
/// (named_chains.h).
struct Pair {
    bool is_chain = false;
    // The packet's or the chain's number; absent where it has none.
    std::optional<std::uint32_t> a;
    std::optional<std::uint32_t> b;
    std::string summary;  ///< of the packet, or the chain's name
    std::size_t calls_a = 0;
    std::size_t calls_b = 0;
    bool equal = true;  ///< nothing of it is different
};

struct Difference {
    Change change = Change::gone;
    std::string function;            ///< in A, or in B for what was added
    std::string other;               ///< renamed: B's name. fate: B's
    std::vector<std::string> path;   ///< callers from the root down, in the recording that has it
    std::vector<std::string> to;     ///< moved: callers in B
    Side blind = Side::b;            ///< inlined, not_traceable, lost: the side that cannot show it
    std::size_t below = 0;           ///< calls below that came or went with it
    std::string detail;              ///< a sentence, where there is more to say
    std::size_t times = 1;           ///< so often, everywhere together
    std::vector<std::size_t> pairs;  ///< that it was seen with, as indexes
};

/// Differences that a rule explained.
struct Explanation {
    std::string rule;
    std::string reason;
    std::size_t times = 0;
};

/// Where a recording is from.
struct Origin {
    std::string name;  ///< as the user named it
    std::string kernel;
    std::string build_id;
    std::string lab;
    std::string change;    ///< what the user had changed there; mostly empty
    std::size_t lost = 0;  ///< sum of its loss counters
    /// Chains that handle no packet, and were not compared by a name.
    std::size_t without_packet = 0;
};

enum class Likeness : std::uint8_t {
    equal,
    different,
    unknown,  ///< nothing is different, but something was lost where it matters
};

/// "equal", "different", "unknown".
std::string_view likeness_name(Likeness likeness);

/// What a function took itself, without what it called, in all calls that both sides have.
struct FunctionCost {
    std::string function;
    std::size_t calls = 0;
    chain::Nanoseconds a = 0;
    chain::Nanoseconds b = 0;
};

/// What the same calls took, on a clock that counts instructions. Calls that wait are left out.
struct Durations {
    unsigned nanoseconds_per_instruction = 0;
    std::size_t calls = 0;  ///< that did the same on both sides, to the last call below
    std::size_t same = 0;   ///< those that took the same to the nanosecond
    // How far they are apart, as a part of the longer one: 0.01 is one percent.
    double median = 0.0;
    double percentile_95 = 0.0;
    double largest = 0.0;
    /// Where the time went that one side took more, the most first; the first few.
    std::vector<FunctionCost> functions;
};

struct Comparison {
    Origin a;
    Origin b;
    std::vector<Pair> pairs;
    std::vector<Difference> differences;
    std::vector<Explanation> explained;
    Likeness likeness = Likeness::equal;
    /// Absent where durations cannot be compared. They make no difference of a path.
    std::optional<Durations> durations;
};

/// One JSON document (diff.schema.json), ended by a newline.
std::string to_json(const Comparison& comparison);

}  // namespace skbtrail::labs::diff
