// Recordings as lines of JSON, for those that do not fit in memory: each chain and each packet is a
// line as soon as it is complete.
//
//   {"format":"skbtrail-recording-lines","version":1,"observed":{…}}   what is known at the start
//   {"chain":{…}}  {"packet":{…}}                                      in any order
//   {"observed":{…},"losses":[…]}                                      the last one
//
// The parts are those of a recording (recording.schema.json describes the lines, too).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/format_error.h"
#include "tracer/chain/recording.h"

namespace skbtrail::chain {

// Each of these is one line, ended by a newline.

std::string first_line(const Observed& observed);
std::string line_of(const Chain& chain);
std::string line_of(const Packet& packet);
std::string last_line(const Observed& observed, const std::vector<Loss>& losses);

/// Whether `text` begins as such lines do.
bool is_recording_lines(std::string_view text);

/// Reads lines as one recording: packets in the order of their ids, chains in that of their starts.
/// Lines whose last one is missing, the collector having been killed, are a recording with a loss
/// named "lines_cut"; what they say of packets that never came is left out. Throws FormatError,
/// which names the line, on anything else.
Recording parse_recording_lines(std::string_view text);

}  // namespace skbtrail::chain
