#include "device/control/listen_for.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

vhost_user::Listener listen_for(std::string_view what, const std::string& path) {
    auto listener = vhost_user::Listener::open(path);
    if (!listener) {
        throw std::runtime_error(fmt::format("{}: {}", what, listener.error().message));
    }
    return std::move(*listener);
}

}  // namespace skbtrail::device
