// skbtrail-nic ctl SOCKET COMMAND [ARGUMENT...]: speaks to the control socket.
#pragma once

#include <span>
#include <string>

#include "device/control/state_json.h"
#include "device/result.h"

namespace skbtrail::device {

/// The request that words of a command line mean: "step 1 3" and "step queue=1 count=3" are
/// {"command":"step","queue":1,"count":3}, "break add queue=1 length>=1000" has a list "when".
/// Fails with a sentence for a command that is not known or words that it does not take.
Result<Json> make_request(std::span<const std::string> words);

/// The state for a person, in lines of at most 100 characters where names allow.
std::string state_text(const Json& state);

/// The program behind the sub-command; `words` are those after "ctl". Returns the exit status: 0,
/// 1 the NIC refused, 2 it cannot be reached, 64 the command line makes no sense.
int run_ctl(std::span<const std::string> words);

}  // namespace skbtrail::device
