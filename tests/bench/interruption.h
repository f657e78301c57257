// Ending a benchmark early without losing what it has measured.
#pragma once

namespace skbtrail::bench {

/// From here on SIGINT and SIGTERM are noted and end nothing: timeout(1) sends its signal twice, so
/// that the second cannot mean "at once". SIGQUIT still does. One object, for as long as the
/// process lives.
class Interruption {
  public:
    Interruption();

    /// The name of the signal that came, "SIGINT"; nullptr when none did.
    const char* signal() const noexcept;
    /// What a shell would say of a process that this signal ended: 128 and its number; 0 when none
    /// came.
    int exit_code() const noexcept;
};

}  // namespace skbtrail::bench
