// What a recording's losses mean for a verdict.
#pragma once

#include <string>

#include "labs/check/forest.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Answers with a sentence about the loss, or with nothing where there is none.
class Losses {
  public:
    explicit Losses(const chain::Recording& recording) : recording_(recording) {}

    /// Events that may be missing from `tree`. Losses that can only have hidden which packet a
    /// call was given count where `about_packets`.
    std::string touching(const Tree& tree, bool about_packets) const;

    /// Events that may be missing anywhere.
    std::string anywhere(bool about_packets) const;

  private:
    const chain::Recording& recording_;
};

}  // namespace skbtrail::labs
