// A lab that a test breaks: a copy of a shipped one, changed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/guest/program.h"

namespace skbtrail::tests {

/// A copy of the lab ping-receive, called `broken`, in `scratch`.
class BrokenLab {
  public:
    explicit BrokenLab(const Scratch& scratch);

    std::filesystem::path file(const std::string& name) const { return folder_ / name; }
    /// Replaces all of a file of the lab.
    void write(const std::string& name, const std::string& text) const;
    /// Changes the lab.json.
    void change(const std::function<void(nlohmann::json&)>& how) const;
    /// Runs it to its end, with its results in results().
    Outcome run() const;
    std::filesystem::path results() const { return scratch_.path() / "results"; }

  private:
    const Scratch& scratch_;
    std::filesystem::path folder_;
};

}  // namespace skbtrail::tests
