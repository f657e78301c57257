// From the words behind --wire to a wire.
#pragma once

#include <memory>
#include <string>

#include "device/event_loop.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// Makes the wire that `spec` names: `KIND[,key=value…]`, for example `nat,restrict=on` (a comma
/// inside a value is written twice). The wire lives no longer than `loop`.
/// Throws std::invalid_argument when the specification is wrong, std::runtime_error when it is
/// right and cannot be had (a port in use, a script file that is missing or malformed): a sentence.
std::unique_ptr<Wire> make_wire(const std::string& spec, EventLoop& loop);

/// The kinds of wire and their options, for --help: several lines.
std::string wire_help();

}  // namespace skbtrail::device
