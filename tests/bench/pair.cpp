#include "tests/bench/pair.h"

#include <fmt/format.h>

#include "tests/bench/rate.h"
#include "tests/dpdk/testpmd.h"

namespace skbtrail::bench {
namespace {

constexpr unsigned bursts_in_flight = 4;

dpdk::TestpmdOptions front_end_of(const Conditions& conditions, const PairJob& job) {
    const Direction direction = job.back.direction;
    const bool mixed_source = job.back.traffic.mixed && direction != Direction::receive;
    dpdk::TestpmdOptions options{.name = "front",
                                 .directory = conditions.directory,
                                 .cpu = conditions.front_cpu,
                                 .devices = {},
                                 .forward = "io",
                                 .frame_length = job.back.traffic.length,
                                 .burst = job.burst,
                                 .queues = job.back.queues,
                                 .ring_size = job.ring_size,
                                 .bursts_first = 0,
                                 .telemetry = true};
    if (mixed_source) {
        const auto file = conditions.directory / "imix.pcap";
        write_imix(file);
        options.devices.push_back(fmt::format("net_pcap0,rx_pcap={},infinite_rx=1", file.string()));
    } else if (direction == Direction::transmit) {
        options.forward = "txonly";
    } else if (direction == Direction::receive) {
        options.forward = "rxonly";
    } else {
        options.bursts_first = bursts_in_flight;
    }
    options.devices.push_back(dpdk::describe_device({.socket = back_end_socket(conditions),
                                                     .mode = job.mode,
                                                     .queues = job.back.queues,
                                                     .ring_size = job.ring_size}));
    return options;
}

}  // namespace

Sample run_pair(const Conditions& conditions, const PairJob& job, const StartBackEnd& start) {
    const auto back = start(conditions, job.back);
    const auto options = front_end_of(conditions, job);
    dpdk::Testpmd front(options);
    front.wait_up();
    const auto port = static_cast<unsigned>(options.devices.size() - 1);
    const bool sends = job.back.direction == Direction::transmit;
    const auto count = [&] {
        const auto counters = front.counters(port);
        return sends ? counters.transmitted : counters.received;
    };
    count();  // answered only when the devices are there, and with them what was negotiated
    if (const auto bits = front.negotiated()) {
        if (const auto wrong = dpdk::difference(job.mode, *bits); !wrong.empty()) {
            Sample sample;
            sample.missing = "not negotiated: " + wrong;
            return sample;
        }
    }
    return measure_rate(count, {front.process().pid(), back->pid()}, conditions);
}

}  // namespace skbtrail::bench
