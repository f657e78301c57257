// The one kind of exception with which recording gives up.
#pragma once

#include <stdexcept>

namespace skbtrail::tracer {

/// Recording is impossible: what() is a sentence or two for a person that say what failed, on what,
/// why, and what to do about it.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace skbtrail::tracer
