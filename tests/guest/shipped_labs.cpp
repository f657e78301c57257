#include "tests/guest/shipped_labs.h"

#include <filesystem>

#include "tests/places.h"

namespace skbtrail::tests {

std::set<std::string> shipped_labs() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(tests::in_source("labs"))) {
        if (std::filesystem::exists(entry.path() / "lab.json")) {
            names.insert(entry.path().filename());
        }
    }
    return names;
}

}  // namespace skbtrail::tests
