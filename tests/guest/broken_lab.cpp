#include "tests/guest/broken_lab.h"

#include <fstream>

#include <catch2/catch_test_macros.hpp>

#include "tests/places.h"

namespace skbtrail::tests {

namespace fs = std::filesystem;

BrokenLab::BrokenLab(const Scratch& scratch)
    : scratch_(scratch), folder_(scratch.path() / "labs" / "broken") {
    fs::create_directories(folder_.parent_path());
    fs::copy(tests::in_source("labs/ping-receive"), folder_);
}

void BrokenLab::write(const std::string& name, const std::string& text) const {
    std::ofstream stream(file(name));
    stream << text;
    REQUIRE(stream.flush());
}

void BrokenLab::change(const std::function<void(nlohmann::json&)>& how) const {
    auto lab = nlohmann::json::parse(text_of(file("lab.json")));
    how(lab);
    write("lab.json", lab.dump());
}

Outcome BrokenLab::run() const {
    return tests::run(scratch_, {"skbtrail", "run", "broken", "--labs", folder_.parent_path(),
                                 "--output", results()});
}

}  // namespace skbtrail::tests
