// The user's terminal, handed through to a guest: every key goes there, Ctrl-C too.
#pragma once

#include <termios.h>
#include <unistd.h>

namespace skbtrail::labs {

/// Standard input without line editing, echo and signals, for as long as this exists; does nothing
/// where it is no terminal.
class RawTerminal {
  public:
    RawTerminal() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!is_terminal_) return;
        termios raw = before_;
        ::cfmakeraw(&raw);
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    ~RawTerminal() {
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    termios before_{};
    bool is_terminal_;
};

}  // namespace skbtrail::labs
