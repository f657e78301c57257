// Why debug information cannot be used.
#pragma once

#include <stdexcept>

namespace skbtrail::labs::debug_info {

/// There is none, it cannot be read, or it is of another kernel. The text is a sentence for a
/// person.
class Error : public std::runtime_error {
    using runtime_error::runtime_error;
};

}  // namespace skbtrail::labs::debug_info
