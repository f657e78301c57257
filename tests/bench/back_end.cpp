#include "tests/bench/back_end.h"

#include <chrono>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/dpdk/child.h"
#include "tests/dpdk/listening.h"
#include "tests/dpdk/testpmd.h"

namespace skbtrail::bench {
namespace {

constexpr auto back_end_start_limit = std::chrono::seconds(15);

std::string wire_of(const BackEndJob& job) {
    switch (job.direction) {
        case Direction::transmit:
            return "sink";
        case Direction::receive:
            return job.traffic.mixed ? "generate,size=imix"
                                     : fmt::format("generate,size={}", job.traffic.length);
        case Direction::reflect:
            return "reflect";
    }
    return {};
}

class NicBackEnd final : public BackEnd {
  public:
    NicBackEnd(const Conditions& conditions, const BackEndJob& job)
        : child_({.arguments = arguments_of(conditions, job),
                  .environment = {},
                  .log = conditions.directory / "nic.log",
                  .cpu = conditions.back_cpu,
                  .ready_pipe = true}) {
        if (!child_.wait_ready(back_end_start_limit)) {
            throw std::runtime_error(child_.last_words());
        }
    }
    pid_t pid() const override { return child_.pid(); }
    std::string log() const override { return child_.log(); }
    void end() override { child_.end(true); }

  private:
    static std::vector<std::string> arguments_of(const Conditions& conditions,
                                                 const BackEndJob& job) {
        std::vector<std::string> arguments{conditions.nic.string(),
                                           "--socket",
                                           back_end_socket(conditions),
                                           "--wire",
                                           wire_of(job),
                                           "--ready-fd",
                                           std::to_string(dpdk::ready_fd),
                                           "--exit-with-parent"};
        if (job.queues > 1) {
            arguments.insert(arguments.end(), {"--queues", std::to_string(job.queues)});
        }
        arguments.insert(arguments.end(), job.nic_arguments.begin(), job.nic_arguments.end());
        return arguments;
    }

    dpdk::Child child_;
};

class VhostBackEnd final : public BackEnd {
  public:
    VhostBackEnd(const Conditions& conditions, const BackEndJob& job)
        : testpmd_(options_of(conditions, job)) {
        if (!dpdk::wait_listening(back_end_socket(conditions), back_end_start_limit,
                                  [this] { return testpmd_.process().running(); })) {
            throw std::runtime_error(fmt::format("testpmd does not listen; it said: {}",
                                                 testpmd_.process().last_words()));
        }
    }
    pid_t pid() const override { return testpmd_.process().pid(); }
    std::string log() const override { return testpmd_.process().log(); }
    void end() override { testpmd_.end(); }

  private:
    static dpdk::TestpmdOptions options_of(const Conditions& conditions, const BackEndJob& job) {
        dpdk::TestpmdOptions options{.name = "back",
                                     .directory = conditions.directory,
                                     .cpu = conditions.back_cpu,
                                     .devices = {},
                                     .forward = {},
                                     .frame_length = job.traffic.length,
                                     .burst = job.burst,
                                     .queues = job.queues,
                                     .bursts_first = 0,
                                     .telemetry = false};
        switch (job.direction) {
            case Direction::transmit:
                options.forward = "rxonly";
                break;
            case Direction::receive:
                options.forward = job.traffic.mixed ? "io" : "txonly";
                break;
            case Direction::reflect:
                options.forward = "macswap";
                break;
        }
        if (job.direction == Direction::receive && job.traffic.mixed) {
            const auto file = conditions.directory / "imix.pcap";
            write_imix(file);
            options.devices.push_back(
                fmt::format("net_pcap0,rx_pcap={},infinite_rx=1", file.string()));
        }
        options.devices.push_back(
            fmt::format("net_vhost0,iface={},queues={}", back_end_socket(conditions), job.queues));
        return options;
    }

    dpdk::Testpmd testpmd_;
};

}  // namespace

std::string back_end_socket(const Conditions& conditions) {
    return (conditions.directory / "s").string();
}

std::unique_ptr<BackEnd> start_nic(const Conditions& conditions, const BackEndJob& job) {
    return std::make_unique<NicBackEnd>(conditions, job);
}

std::unique_ptr<BackEnd> start_vhost(const Conditions& conditions, const BackEndJob& job) {
    return std::make_unique<VhostBackEnd>(conditions, job);
}

}  // namespace skbtrail::bench
