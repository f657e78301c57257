#include "tests/bench/guest_bench.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "guest/process.h"
#include "labs/runner/programs.h"
#include "tests/bench/results.h"
#include "tests/dpdk/child.h"
#include "tests/dpdk/run_times.h"
#include "tests/guest/agent.h"
#include "tests/guest/machine.h"

namespace skbtrail::bench {
namespace {

namespace fs = std::filesystem;

constexpr auto start_limit = std::chrono::seconds(30);
constexpr const char* tap_name = "skbbench";
constexpr int pings = 50;
constexpr double disturbing_share = 0.1;

struct Addresses {
    const char* guest;
    const char* host;
};

bool is_tap(GuestNetwork network) {
    return network == GuestNetwork::nic_tap || network == GuestNetwork::qemu_tap;
}

bool is_nic(GuestNetwork network) {
    return network == GuestNetwork::nic_nat || network == GuestNetwork::nic_tap;
}

/// Those of user networks, and of a network for documentation (RFC 5737).
Addresses addresses_of(GuestNetwork network) {
    return is_tap(network) ? Addresses{"192.0.2.2", "192.0.2.1"}
                           : Addresses{"10.0.2.15", "10.0.2.2"};
}

/// A machine with the distribution's iperf3.
tests::MachineOptions machine_options() {
    const fs::path iperf = "/usr/bin/iperf3";
    if (!fs::exists(iperf)) {
        throw std::runtime_error("iperf3 is not installed (\"make bench\" does)");
    }
    labs::GuestPrograms programs;
    programs.add(iperf, "/bin/iperf3");
    tests::MachineOptions options;
    options.files = programs.files();
    return options;
}

dpdk::ChildOptions in_directory(const Conditions& conditions, const char* log,
                                std::vector<std::string> arguments) {
    return {.arguments = std::move(arguments),
            .environment = {},
            .log = conditions.directory / log,
            .cpu = std::nullopt,
            .ready_pipe = false};
}

/// The iperf3 server, and the network namespace that the others join.
class Namespace {
  public:
    explicit Namespace(const Conditions& conditions)
        : server_(in_directory(conditions, "iperf3.log",
                               {"unshare", "--net", "sh", "-c",
                                "ip link set lo up && exec iperf3 --server --forceflush"})) {
        const auto deadline = std::chrono::steady_clock::now() + start_limit;
        while (server_.log().find("Server listening") == std::string::npos) {
            if (!server_.running() || std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error(fmt::format("no iperf3 server in a network namespace: {}",
                                                     server_.last_words()));
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }

    std::vector<std::string> inside(std::vector<std::string> command) const {
        command.insert(command.begin(),
                       {"nsenter", "--net", "--target", std::to_string(server_.pid()), "--"});
        return command;
    }

    void run(std::vector<std::string> arguments) const {
        guest::Command command;
        command.arguments = inside(std::move(arguments));
        if (const auto result = guest::run_process(command); !result.succeeded()) {
            throw std::runtime_error(guest::describe(command, result));
        }
    }

  private:
    dpdk::Child server_;
};

std::string netdev_of(GuestNetwork network) {
    switch (network) {
        case GuestNetwork::qemu_user:
            return "user,id=net";
        case GuestNetwork::qemu_tap:
            return fmt::format("tap,id=net,ifname={},script=no,downscript=no,vhost=off", tap_name);
        case GuestNetwork::nic_nat:
        case GuestNetwork::nic_tap:
            return "vhost-user,id=net,chardev=nic";
    }
    return {};
}

std::vector<std::string> qemu(const Conditions& conditions, GuestNetwork network) {
    auto arguments = tests::without_network(conditions.directory, machine_options());
    if (is_nic(network)) {
        arguments.insert(arguments.end(), {"-chardev", "socket,id=nic,path=" +
                                                           (conditions.directory / "s").string()});
    }
    arguments.insert(arguments.end(), {"-netdev", netdev_of(network), "-device",
                                       "virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,romfile="});
    return arguments;
}

dpdk::ChildOptions nic(const Conditions& conditions, const Namespace& space, GuestNetwork network) {
    auto options = in_directory(
        conditions, "nic.log",
        space.inside({conditions.nic.string(), "--socket", (conditions.directory / "s").string(),
                      "--wire",
                      network == GuestNetwork::nic_tap ? fmt::format("tap,ifname={}", tap_name)
                                                       : std::string("nat"),
                      "--ready-fd", std::to_string(dpdk::ready_fd)}));
    options.ready_pipe = true;
    return options;
}

/// Megabits a second, as the receiving side counted them.
double iperf(tests::Agent& agent, const char* host, int seconds, bool reverse) {
    const auto text = agent.must(
        fmt::format("iperf3 --client {} --time {} --json{}", host, seconds, reverse ? " -R" : ""));
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded() || json.contains("error")) {
        throw std::runtime_error(fmt::format("iperf3 in the guest failed: {}", text));
    }
    return json.at("end").at("sum_received").at("bits_per_second").get<double>() / 1e6;
}

double ping(tests::Agent& agent, const char* host) {
    const auto text = agent.must(fmt::format("ping -c {} -i 0.02 {}", pings, host));
    std::vector<double> times;
    constexpr std::string_view word = "time=";
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        times.push_back(std::stod(text.substr(at + word.size())) * 1000);
    }
    if (times.empty()) {
        throw std::runtime_error(fmt::format("no echo came back to the guest: {}", text));
    }
    return median_of(std::move(times));
}

}  // namespace

GuestFigures measure_guest(const Conditions& conditions, GuestNetwork network) {
    const Namespace space(conditions);
    std::optional<dpdk::Child> card;
    if (is_nic(network)) {
        card.emplace(nic(conditions, space, network));
        if (!card->wait_ready(start_limit)) {
            throw std::runtime_error(card->last_words());
        }
    }
    fs::remove(conditions.directory / "agent");
    const dpdk::Child machine(
        in_directory(conditions, "qemu.log", space.inside(qemu(conditions, network))));
    tests::Agent agent(conditions.directory / "agent", conditions.directory / "console");
    agent.wait_for_boot();

    const auto [here, there] = addresses_of(network);
    if (is_tap(network)) {
        space.run({"ip", "address", "add", fmt::format("{}/24", there), "dev", tap_name});
        space.run({"ip", "link", "set", tap_name, "up"});
    }
    agent.must("ip link set eth0 up");
    agent.must(fmt::format("ip address add {}/24 dev eth0", here));
    agent.must(fmt::format("ping -c 2 -W 10 {}", there));

    const int seconds = std::max(1, static_cast<int>(3 * conditions.window.count() / 1000));
    const auto began = std::chrono::steady_clock::now();
    const auto waited_before = dpdk::run_times_of(machine.pid()).waiting;
    GuestFigures figures;
    figures.ping_us = ping(agent, there);
    figures.send_mbits = iperf(agent, there, seconds, false);
    figures.receive_mbits = iperf(agent, there, seconds, true);
    figures.disturbed = dpdk::run_times_of(machine.pid()).waiting - waited_before >
                        (std::chrono::steady_clock::now() - began) * disturbing_share;
    return figures;
}

}  // namespace skbtrail::bench
