// The error that every reader of skbtrail's JSON documents throws.
#pragma once

#include <stdexcept>

namespace skbtrail::chain {

/// What was wrong with a document, in a sentence that names the place in it (a JSON pointer, or
/// line and column where the text is not JSON) and says what to do.
class FormatError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace skbtrail::chain
