// A guest under emulation and its network, measured from inside: iperf3 both ways and ping.
//
// Guest, kernel and QEMU's command line are the same for every network but for the -netdev. All
// takes place in a network namespace of its own, which an iperf3 server holds and which is gone
// with the last process in it.
#pragma once

#include <string>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

/// What the guest's network card is plugged into.
enum class GuestNetwork {
    nic_nat,    ///< skbtrail-nic, wire nat
    qemu_user,  ///< QEMU's -netdev user
    nic_tap,    ///< skbtrail-nic, wire tap
    qemu_tap,   ///< QEMU's -netdev tap, without vhost
};

/// Of one boot.
struct GuestFigures {
    double send_mbits = 0;     ///< TCP from the guest
    double receive_mbits = 0;  ///< TCP to the guest
    double ping_us = 0;        ///< median round trip
    bool disturbed = false;    ///< QEMU waited for a processor for over a tenth of the time
};

/// Boots, measures, ends. Throws std::runtime_error with a sentence: iperf3 is not installed, no
/// right to make a network namespace, the guest did not come up.
GuestFigures measure_guest(const Conditions& conditions, GuestNetwork network);

}  // namespace skbtrail::bench
