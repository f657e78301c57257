#include "tests/dpdk/testpmd.h"

#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

namespace skbtrail::dpdk {
namespace {

constexpr const char* program = "dpdk-testpmd";
constexpr auto start_limit = std::chrono::seconds(15);

/// For full rings both ways and what is on its way between them.
unsigned buffers_of(const TestpmdOptions& options) {
    constexpr unsigned on_the_way = 16384;
    return on_the_way + 2 * options.ring_size * options.queues;
}

std::vector<std::string> arguments_of(const TestpmdOptions& options) {
    std::vector<std::string> arguments{program, "--lcores", fmt::format("0@{0},1@{0}", options.cpu),
                                       "--no-huge", "-m", "256", "--no-pci", "--file-prefix",
                                       options.name,
                                       // The only place where the driver says what was negotiated.
                                       "--log-level=pmd.net.virtio.init:debug"};
    if (!options.telemetry) {
        arguments.emplace_back("--no-telemetry");
    }
    for (const std::string& device : options.devices) {
        arguments.insert(arguments.end(), {"--vdev", device});
    }
    arguments.emplace_back("--");
    // Interactive, or it cannot be told how many bursts to send first.
    arguments.emplace_back(options.bursts_first != 0 ? "-i" : "--auto-start");
    if (options.devices.size() == 1) {
        arguments.emplace_back("--port-topology=loop");
    }
    arguments.insert(
        arguments.end(),
        {"--forward-mode=" + options.forward, fmt::format("--txpkts={}", options.frame_length),
         fmt::format("--burst={}", options.burst), fmt::format("--rxq={}", options.queues),
         fmt::format("--txq={}", options.queues),
         fmt::format("--total-num-mbufs={}", buffers_of(options))});
    return arguments;
}

}  // namespace

Testpmd::Testpmd(const TestpmdOptions& options)
    : socket_(options.directory / "dpdk" / options.name / "dpdk_telemetry.v2"),
      child_({.arguments = arguments_of(options),
              // Where DPDK puts its run-time files; they end with our directory.
              .environment = {{"RUNTIME_DIRECTORY", options.directory.string()}},
              .log = options.directory / (options.name + ".log"),
              .cpu = std::nullopt,
              .ready_pipe = false}) {
    if (options.bursts_first != 0) {
        child_.say(fmt::format("start tx_first {}", options.bursts_first));
    }
}

template <typename Question>
auto Testpmd::ask(const Question& question) {
    try {
        return question();
    } catch (const std::runtime_error& error) {
        const auto ending = child_.ending(std::chrono::seconds(1));
        throw std::runtime_error(fmt::format("{}{}; it said: {}", error.what(),
                                             ending.empty() ? "" : ", with " + ending,
                                             child_.last_words()));
    }
}

void Testpmd::wait_up() {
    ask([this] { telemetry_.emplace(socket_, start_limit, [this] { return child_.running(); }); });
}

PortCounters Testpmd::counters(unsigned port) {
    if (!telemetry_) {
        wait_up();
    }
    return ask([this, port] { return telemetry_->counters(port); });
}

std::optional<std::uint64_t> Testpmd::negotiated() const {
    constexpr std::string_view words = "features after negotiate = ";
    const std::string log = child_.log();
    const auto place = log.rfind(words);
    if (place == std::string::npos) {
        return std::nullopt;
    }
    return std::strtoull(log.c_str() + place + words.size(), nullptr, 16);
}

std::string Testpmd::missing() {
    const char* const path = std::getenv("PATH");
    std::istringstream places(path == nullptr ? "" : path);
    for (std::string place; std::getline(places, place, ':');) {
        if (::access((std::filesystem::path(place) / program).c_str(), X_OK) == 0) {
            return {};
        }
    }
    return fmt::format("{} is not in PATH: install the package dpdk-dev (\"make setup\" does)",
                       program);
}

}  // namespace skbtrail::dpdk
