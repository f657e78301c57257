// Which calls of a chain are shown.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "labs/check/noise.h"
#include "labs/show/options.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// A call that has a line of its own, perhaps for several.
struct ShownCall {
    const chain::Call* call = nullptr;
    std::size_t times = 1;               ///< calls in a row that look the same
    chain::Nanoseconds duration = 0;     ///< of all of them
    chain::Nanoseconds interrupted = 0;  ///< and of that, what interrupts took
    bool returned = true;                ///< the return of each was seen
    bool has_packet = false;             ///< it, or something below, is given a packet
    bool matters = false;                ///< that, or something below it is missing
    std::size_t folded = 0;              ///< calls below that have no line
    std::vector<ShownCall> calls;
};

class Folding {
  public:
    explicit Folding(const ShowOptions& options) : options_(options) {}

    /// Folds a chain from its root. Where no call is given a packet, only noise is left out.
    ShownCall fold(const chain::Call& root);

    /// Calls that were noise, with all that was below them.
    std::size_t noise() const { return noise_count_; }

    /// Calls below others that are given no packet.
    std::size_t folded() const { return folded_count_; }

    /// Whether a line shows this sk_buff.
    bool shows(const chain::SkbGeometry& skb) const;

  private:
    ShownCall fold_call(const chain::Call& call);
    bool is_noise(const chain::Call& call);
    bool handles_packet(const chain::Call& call) const;
    bool lacks_something(const chain::Call& call) const;

    ShowOptions options_;
    NoiseFilter filter_;
    std::unordered_map<std::string, bool> known_;
    bool has_packets_ = false;
    std::size_t noise_count_ = 0;
    std::size_t folded_count_ = 0;
};

}  // namespace skbtrail::labs
