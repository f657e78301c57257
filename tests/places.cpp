#include "tests/places.h"

namespace skbtrail::tests {

std::string in_source(const std::string& path) {
    return SKBTRAIL_SOURCE "/" + path;
}

std::string in_build(const std::string& path) {
    return SKBTRAIL_BUILD "/" + path;
}

std::string built_program(const std::string& name) {
    return in_build("bin/" + name);
}

}  // namespace skbtrail::tests
