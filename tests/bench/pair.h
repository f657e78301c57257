// One turn of a pair: a front end without a virtual machine, testpmd with DPDK's virtio-user, on
// one processor, and a back end on another.
//
// The front end sends as fast as its ring takes frames (transmit), takes what comes (receive), or
// keeps four bursts going round (reflect; with mixed traffic it sends as fast as it can instead,
// and what comes back is counted). It is its port's counters that are read, whatever the back end.
#pragma once

#include <functional>
#include <memory>

#include "tests/bench/back_end.h"
#include "tests/bench/cell.h"
#include "tests/dpdk/virtio_user.h"

namespace skbtrail::bench {

struct PairJob {
    BackEndJob back;
    dpdk::RingMode mode;
    unsigned ring_size = 256;
    unsigned burst = 32;  ///< of the front end
};

using StartBackEnd = std::function<std::unique_ptr<BackEnd>(const Conditions&, const BackEndJob&)>;

/// Millions of frames a second. Missing when the mode was not negotiated.
Sample run_pair(const Conditions& conditions, const PairJob& job, const StartBackEnd& start);

}  // namespace skbtrail::bench
