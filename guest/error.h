// The one exception of guest/: a sentence for a person.
#pragma once

#include <stdexcept>

namespace skbtrail::guest {

/// Says what failed, on what, why, and what to do next. Whoever catches it prints it as it is.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace skbtrail::guest
