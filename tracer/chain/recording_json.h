// Recordings as JSON text, and back.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "tracer/chain/format_error.h"
#include "tracer/chain/recording.h"

namespace skbtrail::chain {

/// "task", "softirq", "hardirq".
std::string_view context_name(Context context);

/// Writes `recording` as one JSON document, UTF-8, ended by a newline.
void write_json(const Recording& recording, std::ostream& out);

/// Reads one recording. Throws FormatError on anything else: text that is not JSON, JSON that is
/// not a recording, a recording of a version that this program does not know.
Recording parse_recording(std::string_view json);

/// Reads one ring event, as the NIC writes them: a line of JSON of its own. Throws FormatError.
RingEvent parse_ring_event(std::string_view line);

/// Reads the file at `path`; the FormatError names it. Throws std::system_error when it cannot be
/// read.
Recording load_recording(const std::string& path);

}  // namespace skbtrail::chain
