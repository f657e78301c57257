// The two back ends that are compared: skbtrail-nic, and testpmd with DPDK's net_vhost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/bench/cell.h"
#include "tests/bench/traffic.h"

namespace skbtrail::bench {

/// What a back end is to do.
struct BackEndJob {
    Direction direction = Direction::transmit;  ///< as the front end sees it
    Traffic traffic;
    unsigned queues = 1;
    unsigned burst = 32;  ///< of the peer; skbtrail-nic has its own
    /// More arguments for skbtrail-nic.
    std::vector<std::string> nic_arguments;
};

/// A running back end that listens.
class BackEnd {
  public:
    virtual ~BackEnd() = default;
    virtual pid_t pid() const = 0;
    virtual std::string log() const = 0;
    /// Ends it, so that its log is whole.
    virtual void end() = 0;
};

/// Where it listens.
std::string back_end_socket(const Conditions& conditions);

/// Started on the back end's processor, and listening. Throws std::runtime_error with a sentence.
std::unique_ptr<BackEnd> start_nic(const Conditions& conditions, const BackEndJob& job);
std::unique_ptr<BackEnd> start_vhost(const Conditions& conditions, const BackEndJob& job);

}  // namespace skbtrail::bench
