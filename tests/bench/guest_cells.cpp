#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tests/bench/guest_bench.h"
#include "tests/bench/suites.h"

namespace skbtrail::bench {
namespace {

/// One boot answers every question once: a second answer to the same question takes another boot.
class Boots {
  public:
    explicit Boots(GuestNetwork network) : network_(network) {}

    Sample answer(const Conditions& conditions, double GuestFigures::* question) {
        const auto number = static_cast<int>(question == &GuestFigures::send_mbits) +
                            2 * static_cast<int>(question == &GuestFigures::receive_mbits);
        if (!figures_ || !answered_.insert(number).second) {
            figures_.reset();
            figures_ = measure_guest(conditions, network_);
            answered_ = {number};
        }
        Sample sample;
        sample.value = (*figures_).*question;
        sample.disturbed = figures_->disturbed;
        return sample;
    }

  private:
    GuestNetwork network_;
    std::optional<GuestFigures> figures_;
    std::set<int> answered_;
};

}  // namespace

std::vector<Cell> guest_cells() {
    struct Pair {
        const char* name;
        std::pair<const char*, GuestNetwork> ours;
        std::pair<const char*, GuestNetwork> theirs;
    };
    struct Question {
        const char* name;
        const char* unit;
        bool more_is_better;
        double GuestFigures::* figure;
    };
    std::vector<Cell> cells;
    for (const Pair& pair : {Pair{"nat",
                                  {"skbtrail-nic nat", GuestNetwork::nic_nat},
                                  {"QEMU user", GuestNetwork::qemu_user}},
                             Pair{"tap",
                                  {"skbtrail-nic tap", GuestNetwork::nic_tap},
                                  {"QEMU tap", GuestNetwork::qemu_tap}}}) {
        const auto ours = std::make_shared<Boots>(pair.ours.second);
        const auto theirs = std::make_shared<Boots>(pair.theirs.second);
        for (const Question& question :
             {Question{"send", "Mbit/s", true, &GuestFigures::send_mbits},
              Question{"receive", "Mbit/s", true, &GuestFigures::receive_mbits},
              Question{"ping", "us", false, &GuestFigures::ping_us}}) {
            const auto contender = [figure = question.figure](const char* name,
                                                              std::shared_ptr<Boots> boots) {
                return Contender{name, [boots = std::move(boots), figure](const Conditions& where) {
                                     return boots->answer(where, figure);
                                 }};
            };
            cells.push_back({.name = fmt::format("guest/{}/{}", pair.name, question.name),
                             .unit = question.unit,
                             .more_is_better = question.more_is_better,
                             .contenders = {contender(pair.ours.first, ours),
                                            contender(pair.theirs.first, theirs)}});
        }
    }
    return cells;
}

}  // namespace skbtrail::bench
