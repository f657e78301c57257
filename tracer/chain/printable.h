// A recording is somebody else's file. What it says is printed, and must not drive the terminal
// that it is printed to, nor pass for a line of ours.
#pragma once

#include "tracer/chain/recording.h"

namespace skbtrail::chain {

/// Puts a space for everything that a terminal would act upon (text.h: printable) into all texts of
/// the recording: names of functions and processes, summaries, reasons.
void make_printable(Recording& recording);

}  // namespace skbtrail::chain
