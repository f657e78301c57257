// One boot for many runs: a guest that has booted and does not know yet what for is put into a
// file; each run of a lab takes up a copy of it (RunOptions::resume_from) and sends it the lab's
// job.
//
// So labs that share a boot share nothing else: whatever one of them does to its guest, its kernel
// or its card, the next one finds the guest as it had just booted. Nothing of a lab is in it: no
// module, no file, no driver that has spoken to the card.
#pragma once

#include <functional>
#include <string>

#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/run_options.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {

/// Boots a guest on the machine that `lab` wants and keeps it at `options.keep_at`; the boot's
/// console and logs go to `options.output`. Must be called while the process has one thread.
/// Throws CannotRun or Interrupted; by then nothing of it is left but these.
void keep_guest(const Lab& lab, const RunOptions& options, PhaseLog& phases,
                const SignalWatch& signals, const std::function<void()>& tick);

/// What two labs have to agree in to run in copies of one guest, as a text that is the same then:
/// the parts of lab.json that make the machine. Empty for a lab that wants a boot of its own.
std::string machine_of(const Lab& lab);

}  // namespace skbtrail::labs
