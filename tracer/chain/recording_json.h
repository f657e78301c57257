// Recordings as JSON text, and back.
#pragma once

#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tracer/chain/recording.h"

namespace skbtrail::chain {

/// What was wrong with a document, in a sentence that names the place in it (a JSON pointer) and
/// says what to do.
class FormatError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Writes `recording` as one JSON document, UTF-8, ended by a newline.
void write_json(const Recording& recording, std::ostream& out);

/// Reads one recording. Throws FormatError on anything else: text that is not JSON, JSON that is
/// not a recording, a recording of a version that this program does not know.
Recording parse_recording(std::string_view json);

/// Reads the file at `path`; the FormatError names it. Throws std::system_error when it cannot be
/// read.
Recording load_recording(const std::string& path);

}  // namespace skbtrail::chain
