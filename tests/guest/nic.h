// A skbtrail-nic that a test started, and what it said of itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/guest/program.h"

namespace skbtrail::tests {

class Nic {
  public:
    /// Starts it on `socket` with `more` arguments, and waits until front ends can connect. It ends
    /// with this process. Throws std::runtime_error with its log when it does not come up.
    Nic(const Scratch& scratch, const std::filesystem::path& socket,
        const std::vector<std::string>& more = {"--wire", "nat"});

    /// Ends it and takes its counters; fails when it does not end as it should.
    void stop();
    /// SIGKILL: what a crash looks like from outside.
    void kill();
    /// Waits until the log says `text`.
    bool says(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(90)) {
        return program_->wait_for(text, limit);
    }

    struct Counters {
        std::uint64_t frames = 0;
        std::uint64_t dropped = 0;
    };
    /// Of all receive queues, and of all transmit queues, after stop(). Throws std::runtime_error
    /// when the log has none.
    Counters received() const { return sum("receive"); }
    Counters sent() const { return sum("transmit"); }
    /// The features of each negotiation, as the log names them, in order.
    std::vector<std::string> negotiations() const;
    const std::string& log() const { return program_->output(); }

  private:
    Counters sum(const std::string& role) const;

    std::unique_ptr<Program> program_;
};

}  // namespace skbtrail::tests
