// One guest under emulation, in which the collector and its peers trace by turns.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

/// What a turn of one tracer gave; what does not apply to it is not there.
using TracerFigures = std::map<std::string, double>;

class TracerGuest {
  public:
    /// Boots it, with so many processors. `pwru`: the program; empty: without it. Throws
    /// std::runtime_error with a sentence: a peer is not installed, the guest did not come up.
    TracerGuest(const Conditions& conditions, unsigned cpus, const std::filesystem::path& pwru);
    ~TracerGuest();
    TracerGuest(const TracerGuest&) = delete;
    TracerGuest& operator=(const TracerGuest&) = delete;

    /// Starts a tracer and ends it, with one ping between; again, with `pings`, each sent when the
    /// one before is back; and again, with TCP. `who`: skbtrail-collect (one JSON document),
    /// "skbtrail-collect lines" (as JSON lines while it goes on), pwru, bpftrace, trace-cmd,
    /// nobody.
    ///  - "start": seconds from its start until it records; "start unknown": the same, of ours,
    ///    without a plan
    ///  - "end": seconds from the end of a ping until its recording is in a file; "end flood": the
    ///    same of all pings
    ///  - "ping": mean round trip, us
    ///  - "tcp": Mbit/s from the guest
    ///  - "memory": MiB resident, at most, under the flood
    ///  - "kept": of what the flood should give, in per cent: so many times what one ping gave,
    ///    packets of ours, lines of pwru and bpftrace; "kept tcp": packets of ours, of the frames
    ///    that the interface counted
    ///  - "lost", "lost tcp": what it says that it lost
    /// Throws std::runtime_error with what the tracer said when it failed. The guest is of no use
    /// then.
    TracerFigures turn(const std::string& who, int pings);

    /// The collector's cost: figures "start", "ping", "end flood", "memory", "lost" with `pings`,
    /// and `options` besides; and "functions": how many it traces.
    TracerFigures cost(const std::string& options, int pings);

  private:
    struct Parts;

    double number(const std::string& command);
    void trace_flood(const std::string& who, int pings, TracerFigures& figures);

    std::unique_ptr<Parts> parts_;
};

}  // namespace skbtrail::bench
