#include "tests/guest/shipped_labs.h"

#include <filesystem>

namespace skbtrail::tests {

std::set<std::string> shipped_labs() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(SKBTRAIL_LABS)) {
        if (std::filesystem::exists(entry.path() / "lab.json")) {
            names.insert(entry.path().filename());
        }
    }
    return names;
}

}  // namespace skbtrail::tests
