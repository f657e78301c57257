// Bytes as a test writes them down.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

namespace skbtrail::device::test {

using Bytes = std::vector<std::byte>;

inline Bytes octets(std::initializer_list<unsigned> values) {
    Bytes bytes;
    for (const unsigned value : values) {
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

}  // namespace skbtrail::device::test
