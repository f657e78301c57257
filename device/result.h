// How device code says that something failed.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace skbtrail::device {

/// A failure for a person: what failed, on what, and why. Used where the caller only reports it;
/// where callers decide by the cause there is a typed error (MemoryError, RingFault …).
struct Failure {
    std::string message;
};

template <typename T = void>
using Result = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failure(std::string message) {
    return tl::make_unexpected(Failure{std::move(message)});
}

}  // namespace skbtrail::device
