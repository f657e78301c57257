#include "labs/batch/boots.h"

#include <map>

namespace skbtrail::labs::batch {

Boots::Boots(const std::vector<std::string>& machines) : runs_(machines.size()) {
    std::map<std::string, std::vector<std::size_t>> alike;
    for (std::size_t run = 0; run < machines.size(); ++run) {
        if (!machines[run].empty()) alike[machines[run]].push_back(run);
    }
    for (const auto& [machine, runs] : alike) {
        if (runs.size() < least_runs_of_a_boot) continue;
        for (const std::size_t run : runs) runs_[run].boot = boots_.size();
        boots_.push_back({Stage::not_begun, runs.front(), runs.size()});
    }
}

std::optional<Boots::Task> Boots::next() {
    for (std::size_t number = 0; number < runs_.size(); ++number) {
        Run& run = runs_[number];
        if (run.begun) continue;
        const Stage stage = run.boot ? boots_[*run.boot].stage : Stage::given_up;
        if (stage == Stage::booting) continue;
        if (stage == Stage::not_begun) {
            boots_[*run.boot].stage = Stage::booting;
            return Task{Task::Kind::boot, *run.boot, run.boot};
        }
        run.begun = true;
        return Task{Task::Kind::run, number, stage == Stage::kept ? run.boot : std::nullopt};
    }
    return std::nullopt;
}

void Boots::booted(std::size_t boot, bool kept) {
    boots_[boot].stage = kept ? Stage::kept : Stage::given_up;
}

void Boots::not_resumed(std::size_t run) {
    runs_[run].begun = false;
    if (runs_[run].boot) boots_[*runs_[run].boot].stage = Stage::given_up;
}

std::optional<std::size_t> Boots::ended(std::size_t run) {
    const auto boot = runs_[run].boot;
    return boot && --boots_[*boot].left == 0 ? boot : std::nullopt;
}

}  // namespace skbtrail::labs::batch
