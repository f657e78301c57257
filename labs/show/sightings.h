// What moved in an sk_buff between two calls that were given it.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// What happened to a packet's sk_buff between two sightings, in the words of the functions that
/// do it: "pulled 14", "pushed 12", "put 64", "reserved 18", "trimmed 4", "new head". Several,
/// separated by commas; empty when nothing moved.
std::string movement(const chain::SkbGeometry& before, const chain::SkbGeometry& now);

/// Every sighting of every packet in a recording, in order of time.
class Sightings {
  public:
    /// `recording` has to outlive this.
    explicit Sightings(const chain::Recording& recording);

    /// The sighting of the same packet just before `geometry`, which is part of the recording;
    /// null for the first one and for an sk_buff without a packet.
    const chain::SkbGeometry* before(const chain::SkbGeometry& geometry) const;

  private:
    std::unordered_map<const chain::SkbGeometry*, const chain::SkbGeometry*> before_;
};

}  // namespace skbtrail::labs
