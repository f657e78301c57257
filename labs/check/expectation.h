// What somebody who read the kernel's source expects of a recording. expectation_json.h reads it,
// expectation.schema.json describes the text, docs/expectations.md teaches it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace skbtrail::labs {

/// How often something may come.
struct CountRange {
    unsigned min = 1;
    std::optional<unsigned> max;  ///< absent: any number
};

/// On what kind of system a chain or a step is expected. All of them must hold.
struct Conditions {
    std::vector<std::string> kernel;            ///< ">=6.2", "<6.9", "6.12" (any 6.12.x)
    std::map<std::string, std::string> config;  ///< CONFIG_NETFILTER → "y"; "n" also where unset
    std::vector<std::string> features;          ///< negotiated virtio features; "!name": not
    bool empty() const { return kernel.empty() && config.empty() && features.empty(); }
};

/// One element of a list of calls.
struct Step {
    enum class Kind : std::uint8_t {
        call,       ///< one call of `names`, repeated as `count` says
        anything,   ///< "...": any calls, also none
        any_of,     ///< one of `alternatives`, each a list of steps, repeated as `count` says
        unordered,  ///< all of `alternatives`, each a list of one step, in any order
        somewhere,  ///< any calls, and at any depth among them `alternatives[0]`, in that order
    };
    Kind kind = Kind::call;
    std::string call;    ///< the function, without a compiler's suffix
    std::string file;    ///< that defines the function, as `expect verify` checks
    std::string packet;  ///< name of a binding: the call must handle that packet; empty: any
    /// Of the sk_buff of `packet` when the call is made: "data", "len", … (skb_values.h) → value.
    std::map<std::string, std::int64_t> skb;
    /// Of a poll: "budget", "work" (poll_values.h) → value.
    std::map<std::string, std::uint32_t> poll;
    /// What it calls: a closed list, in order, noise left out. Absent: a leaf, anything below.
    std::optional<std::vector<Step>> calls;
    std::vector<std::vector<Step>> alternatives;
    bool optional = false;
    /// The compiler may have inlined the function at this place: then `calls` stand in the list of
    /// its caller instead.
    bool may_inline = false;
    CountRange count{1, 1};
    Conditions when;
    std::string place;  ///< JSON pointer into the expectation
};

/// Something that must not be called.
struct Forbidden {
    std::string pattern;  ///< a name or a glob
    std::string packet;   ///< only where the call is given the packet of this binding; empty: any
    Conditions when;
    std::string place;
};

/// Which packets a chain is about.
struct PacketSelector {
    /// Header, "fate", "fate.function", "fate.reason", "edge", "ring.queue", "ring.descriptors",
    /// "ring.length", "ring.kick" or "ring.call" → the values that it may have, each a glob. Empty:
    /// any packet.
    std::map<std::string, std::vector<std::string>> headers;
    /// Or: those that a chain further up bound to this name. (A name from Expectation::packets is
    /// replaced by its headers.)
    std::string same_as;
};

/// One expected chain.
struct ExpectedChain {
    std::string name;
    std::string about;
    std::vector<std::string> roots;  ///< the chain's first function: one of these
    std::optional<PacketSelector> packet;
    std::optional<unsigned> cpu;  ///< the processor that it begins on; absent: any
    std::string bind;             ///< a name for the chain's packet; empty: none
    CountRange count;             ///< how many chains must be like this
    std::optional<std::vector<Step>> calls;
    std::vector<Forbidden> forbid;
    Conditions when;
    std::string place;
};

/// All that is expected of a recording.
struct Expectation {
    std::string title;
    /// A draft, made by a program from a recording and not yet read by anybody, passes nothing.
    bool draft = false;
    /// Name → other names that the same function has on other kernels: the known renames, and
    /// what the expectation says itself.
    std::map<std::string, std::vector<std::string>> aliases;
    /// Names for packets, for all chains: every packet with such headers.
    std::map<std::string, PacketSelector> packets;
    std::vector<std::string> noise;  ///< globs, in addition to the noise that is named once for all
    std::vector<ExpectedChain> chains;
    std::vector<Forbidden> forbid;  ///< in any chain of the recording
};

}  // namespace skbtrail::labs
