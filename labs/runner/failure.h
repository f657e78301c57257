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

/// A lab is not meant for this kernel: it is skipped, and nothing has failed.
class NotApplicable : public CannotRun {
  public:
    using CannotRun::CannotRun;
};

/// The user ended the run (Ctrl-C, SIGTERM, SIGHUP).
class Interrupted : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace skbtrail::labs
