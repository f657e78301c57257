// The NICs of a run: one for each of the guest's cards, started together, ready together, ended
// together.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "labs/runner/lab.h"
#include "labs/runner/nic.h"
#include "labs/runner/nic_control.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/steering.h"

namespace skbtrail::labs {

class Nics {
  public:
    /// `directory`: the run's own, for sockets. `in_lock_step`: they hold what they have until they
    /// are told otherwise, by their control sockets. Everything has to outlive this.
    Nics(const Lab& lab, Steering& steering, std::filesystem::path directory, bool in_lock_step);

    /// Starts all; their files come into `results`. Throws CannotRun. One that ends before end() is
    /// called ends the wait that notices it, with CannotRun.
    void start(const ResultDirectory& results);
    /// Whether all listen.
    bool ready() const;
    /// Where the NIC number `nic`, from 0, listens for its front end.
    std::filesystem::path socket(std::size_t nic) const;
    /// Of all, in order, once they are ready; nothing without lock-step. Throws CannotRun.
    std::vector<std::unique_ptr<NicControl>> controls() const;
    /// Asks all to end, and waits for it.
    void end() noexcept;

  private:
    struct Running {
        explicit Running(NicOptions options) : nic(std::move(options)) {}
        Nic nic;
        bool ready = false;
    };

    std::filesystem::path control_socket(std::size_t nic) const;
    NicOptions options_of(std::size_t nic, const ResultDirectory& results) const;
    void watch_over(Running& running);
    void hear(Running& running);
    std::string wires() const;

    const Lab& lab_;
    Steering& steering_;
    std::filesystem::path directory_;
    bool in_lock_step_;
    std::vector<std::unique_ptr<Running>> running_;
};

}  // namespace skbtrail::labs
