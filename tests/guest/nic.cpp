#include "tests/guest/nic.h"

#include <map>
#include <regex>
#include <stdexcept>

#include <signal.h>

namespace skbtrail::tests {

Nic::Nic(const Scratch& scratch, const std::filesystem::path& socket,
         const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"skbtrail-nic", "--socket", socket, "--exit-with-parent"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    program_ = std::make_unique<Program>(scratch, arguments);
    if (!program_->wait_for("listening at", std::chrono::seconds(30))) {
        throw std::runtime_error("the NIC did not come up: " + program_->output());
    }
}

void Nic::stop() {
    program_->signal(SIGTERM);
    const int status = program_->wait(std::chrono::seconds(30));
    if (status != 0) {
        throw std::runtime_error("the NIC ended with status " + std::to_string(status) + ": " +
                                 program_->output());
    }
}

void Nic::kill() {
    program_->signal(SIGKILL);
    program_->wait(std::chrono::seconds(30));
}

Nic::Counters Nic::sum(const std::string& role) const {
    const std::regex line(R"((queue \d+) \()" + role +
                          R"(\): (\d+) frames, \d+ bytes; dropped (\d+))");
    // Printed whenever a front end leaves, and counted on: a queue's last line is its sum.
    std::map<std::string, Counters> last;
    for (std::sregex_iterator found(log().begin(), log().end(), line), end; found != end; ++found) {
        last[(*found)[1]] = {std::stoull((*found)[2]), std::stoull((*found)[3])};
    }
    if (last.empty()) {
        throw std::runtime_error("the NIC's log has no counters of a " + role + " queue: " + log());
    }
    Counters sum;
    for (const auto& [queue, counters] : last) {
        sum.frames += counters.frames;
        sum.dropped += counters.dropped;
    }
    return sum;
}

std::vector<std::string> Nic::negotiations() const {
    const std::regex line("negotiated: ([^\\n]*)");
    std::vector<std::string> all;
    for (std::sregex_iterator found(log().begin(), log().end(), line), end; found != end; ++found) {
        all.push_back((*found)[1]);
    }
    return all;
}

}  // namespace skbtrail::tests
