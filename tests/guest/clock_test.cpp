// The lab clock: boots that count instructions tell the same story, in the same time.
//
// Two boots of a ping by default. The whole comparison, with its table on standard output:
//
//     SKBTRAIL_CLOCK_BOOTS=10 SKBTRAIL_CLOCK_LABS="ping-receive udp tcp-tour" \
//         build/bin/skbtrail_test_guests "*lab clock*"
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "labs/diff/compare.h"
#include "tests/guest/program.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
namespace diff = skbtrail::labs::diff;

namespace {

std::string from_environment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : otherwise;
}

/// Boots a lab so often and compares every two of the recordings.
class Boots {
  public:
    Boots(const Scratch& scratch, const std::string& lab, int count) : lab_(lab) {
        for (int boot = 1; boot <= count; ++boot) {
            const auto results = scratch.path() / fmt::format("{}-{}", lab, boot);
            const auto outcome = run(scratch, {"skbtrail", "run", lab, "--clock", "instructions",
                                               "--quiet", "--output", results});
            INFO(outcome.output);
            // A boot that took another way is one that differs: it is what is to be counted.
            REQUIRE((outcome.status == 0 || outcome.status == 1));
            const auto recording = results / "recording.json";
            recordings_.push_back(skbtrail::chain::load_recording(recording.string()));
        }
    }

    /// Like the first one, itself included.
    std::size_t alike() const {
        std::size_t count = 0;
        for (const auto& recording : recordings_) {
            const auto same = compared(recordings_.front(), recording);
            count += same.likeness == diff::Likeness::equal ? 1 : 0;
        }
        return count;
    }

    /// One line: the medians and 95th percentiles of all pairs, best, middle and worst.
    std::string line(double& worst_median) const {
        std::vector<double> medians;
        std::vector<double> percentiles;
        std::size_t calls = 0;
        std::size_t same = 0;
        for (std::size_t a = 0; a < recordings_.size(); ++a) {
            for (std::size_t b = a + 1; b < recordings_.size(); ++b) {
                const auto found = compared(recordings_[a], recordings_[b]).durations;
                REQUIRE(found);
                medians.push_back(found->median);
                percentiles.push_back(found->percentile_95);
                calls += found->calls;
                same += found->same;
            }
        }
        std::sort(medians.begin(), medians.end());
        std::sort(percentiles.begin(), percentiles.end());
        worst_median = medians.back();
        return fmt::format(
            "{:<14} {:>3} of {:<3} {:>9} {:>8.1f} % {:>8.3f} % {:>9.3f} % {:>9.3f} % {:>9.3f} %\n",
            lab_, alike(), recordings_.size(), calls,
            100.0 * static_cast<double>(same) / static_cast<double>(calls), 100 * worst_median,
            100 * percentiles.front(), 100 * percentiles[percentiles.size() / 2],
            100 * percentiles.back());
    }

  private:
    static diff::Comparison compared(const skbtrail::chain::Recording& a,
                                     const skbtrail::chain::Recording& b) {
        return diff::compare(a, "a", b, "b", {});
    }

    std::string lab_;
    std::vector<skbtrail::chain::Recording> recordings_;
};

}  // namespace

TEST_CASE("boots by the lab clock have the same trees, and durations that compare", "[alone]") {
    const Scratch scratch;
    const int count = std::stoi(from_environment("SKBTRAIL_CLOCK_BOOTS", "2"));
    std::istringstream labs(from_environment("SKBTRAIL_CLOCK_LABS", "ping-receive"));
    fmt::print(
        "\n                same      calls     took    apart at    at the 95th percentile, pairs\n"
        "lab            trees   compared  the same  the median      best     middle      worst\n");
    for (std::string lab; labs >> lab;) {
        const Boots boots(scratch, lab, count);
        double worst_median = 1.0;
        fmt::print("{}", boots.line(worst_median));
        CHECK(boots.alike() == static_cast<std::size_t>(count));
        CHECK(worst_median == 0.0);
    }
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("a clock that counts instructions wants an emulated guest of our own") {
    const Scratch scratch;
    const auto fast =
        run(scratch, {"skbtrail", "run", "udp", "--clock", "instructions", "--accelerator", "kvm"});
    CHECK(fast.status == 64);
    CHECK_THAT(fast.output, ContainsSubstring("emulation only"));
    const auto elsewhere = run(scratch, {"skbtrail", "run", "udp", "--clock", "instructions",
                                         "--connect", "qemu:///system"});
    CHECK(elsewhere.status == 64);
}
