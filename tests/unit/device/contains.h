// Of texts for people, what matters.
#pragma once

#include <string>

namespace skbtrail::device::test {

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace skbtrail::device::test
