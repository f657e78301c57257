// How the sk_buffs of calls are told: by BPF where the kernel can attach one program to many
// functions, by kprobe events elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/losses.h"

namespace skbtrail::tracer {

class KprobeDecoder;

/// A function whose sk_buffs are wanted.
struct Probe {
    std::uint64_t address = 0;  ///< its symbol
    std::uint64_t site = 0;     ///< its patched call; the symbol where the kernel does not tell it
    std::uint32_t cookie = 0;   ///< bpf/event.h
    bool core = false;          ///< on every packet's way: wanted most (policy.h)
};

/// A probe that could not be set, by its index.
struct Refused {
    std::size_t index = 0;
    std::string reason;    ///< for a person; empty: it needs no probe in this way
    bool missing = false;  ///< the kernel would not have it: not our choice, so something is lost
};

class Identity {
  public:
    Identity() = default;
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
    virtual ~Identity() = default;

    /// The name of the way, for Observed::identity_method.
    [[nodiscard]] virtual std::string_view method() const = 0;

    /// Sets `probes`. Those that the kernel refuses, or that would take too long, are left out and
    /// returned. Throws Failure when nothing can be set.
    virtual std::vector<Refused> attach(const std::vector<Probe>& probes) = 0;

    /// Lets events flow, or stops them.
    virtual void switch_on() = 0;
    virtual void switch_off() = 0;

    /// A descriptor that becomes readable when much waits; -1 when events come in ftrace's pages.
    [[nodiscard]] virtual int poll_fd() const { return -1; }

    /// Hands events that wait to `sink`, `limit` at most: raw bytes of a struct skbtrail_event,
    /// with its bytes behind it. Returns their number.
    using Sink = std::function<void(std::span<const std::byte>)>;
    virtual std::size_t drain(const Sink& /*sink*/, std::size_t /*limit*/) { return 0; }

    /// The decoder of events in ftrace's pages; null when they come otherwise.
    [[nodiscard]] virtual const KprobeDecoder* decoder() const { return nullptr; }

    /// What was not seen between switch_on() and switch_off(), for each of `cpus` and in all.
    [[nodiscard]] virtual std::vector<chain::Loss> losses(
        const std::vector<unsigned>& cpus) const = 0;

    /// Start of the kernel's direct map, where this way can tell it and has seen an event.
    [[nodiscard]] virtual std::optional<std::uint64_t> page_offset() const { return std::nullopt; }

    /// True when it tells of wanted packets only, and marks them (SKBTRAIL_EVENT_WANTED).
    [[nodiscard]] virtual bool filters() const { return false; }
    /// Packets that the filter wanted so far; 0 where it does not filter.
    [[nodiscard]] virtual std::uint32_t packets_wanted() const { return 0; }
    /// What was counted on a CPU instead of being told.
    [[nodiscard]] virtual CpuCounts counts(unsigned /*cpu*/) const { return {}; }

    /// Keeps beside raw records what they mean nothing without. Throws Failure.
    virtual void save_raw(const std::string& /*directory*/) const {}

    /// Leaves the probes set when this object goes: the machine is about to power off.
    virtual void keep() = 0;
};

}  // namespace skbtrail::tracer
