// How the runner says that something could not be done.
#pragma once

#include <stdexcept>

namespace skbtrail::labs {

/// Something could not be done. what() is a sentence for a person: what failed, on what, why, and
/// what to do next.
class CannotRun : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The user ended the run (Ctrl-C, SIGTERM, SIGHUP).
class Interrupted : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace skbtrail::labs
