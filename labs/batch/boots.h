// Which runs of a batch share a boot, and what can begin next. Knows no process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace skbtrail::labs::batch {

/// How many runs a boot has to serve to be worth keeping: making the file takes as long as is saved
/// with two of them.
inline constexpr std::size_t least_runs_of_a_boot = 3;

/// Runs are numbered in the order in which they were given, boots from 0.
class Boots {
  public:
    /// For each run what it has to agree in with another one to share its boot; empty: it boots a
    /// guest of its own.
    explicit Boots(const std::vector<std::string>& machines);

    struct Task {
        enum class Kind : std::uint8_t { boot, run };
        Kind kind = Kind::run;
        std::size_t number = 0;
        /// Of a run: the boot whose guest it takes up, nothing: it boots its own. Of a boot:
        /// itself.
        std::optional<std::size_t> boot;
    };
    /// What to begin next, which counts as begun then: in the order of the runs, a boot before the
    /// first that it serves. Nothing when all is begun, or what is left waits for a boot.
    std::optional<Task> next();

    /// The boot has ended. Without a kept guest its runs boot their own.
    void booted(std::size_t boot, bool kept);
    /// The run could not take its guest up: it goes again, and it and those of its boot that have
    /// not begun boot their own.
    void not_resumed(std::size_t run);
    /// The run has ended otherwise. The boot whose guest nobody needs any more, if it is one.
    std::optional<std::size_t> ended(std::size_t run);

    /// A run that the boot serves.
    std::size_t one_of(std::size_t boot) const { return boots_[boot].first; }
    /// How many it serves.
    std::size_t size_of(std::size_t boot) const { return boots_[boot].left; }

  private:
    enum class Stage : std::uint8_t { not_begun, booting, kept, given_up };
    struct Boot {
        Stage stage = Stage::not_begun;
        std::size_t first = 0;
        std::size_t left = 0;  ///< runs that have not ended
    };
    struct Run {
        std::optional<std::size_t> boot;
        bool begun = false;
    };

    std::vector<Run> runs_;
    std::vector<Boot> boots_;
};

}  // namespace skbtrail::labs::batch
