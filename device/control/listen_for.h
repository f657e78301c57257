// The sockets that people and programs reach the NIC by, beside the front end's.
#pragma once

#include <string>
#include <string_view>

#include "device/vhost_user/listener.h"

namespace skbtrail::device {

/// Listens at `path`. Throws std::runtime_error with a sentence that begins with `what` ("control
/// socket") when it cannot.
vhost_user::Listener listen_for(std::string_view what, const std::string& path);

}  // namespace skbtrail::device
