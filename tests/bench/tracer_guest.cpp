#include "tests/bench/tracer_guest.h"

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "labs/runner/programs.h"
#include "tests/dpdk/child.h"
#include "tests/guest/machine.h"
#include "tests/places.h"

namespace skbtrail::bench {
namespace {

namespace fs = std::filesystem;

constexpr auto nic_start_limit = std::chrono::seconds(30);
/// tracer_guest.sh ends what takes longer.
constexpr auto patience = std::chrono::seconds(150);
constexpr int iperf_port = 5299;
constexpr int iperf_seconds = 3;
constexpr const char* collector = "skbtrail-collect";

void add(labs::GuestPrograms& programs, const fs::path& source, const std::string& destination) {
    if (!fs::exists(source)) {
        throw std::runtime_error(fmt::format("{} is not installed (\"make bench-tracer\" does)",
                                             source.filename().string()));
    }
    programs.add(source, destination);
}

tests::MachineOptions machine_options(unsigned cpus, const fs::path& pwru) {
    labs::GuestPrograms programs;
    add(programs, "/usr/bin/iperf3", "/bin/iperf3");
    add(programs, "/bin/ping", "/bin/ping.iputils");
    if (!pwru.empty()) {
        add(programs, pwru, "/bin/pwru");
        add(programs, "/usr/bin/bpftrace", "/bin/bpftrace");
        add(programs, "/usr/bin/trace-cmd", "/bin/trace-cmd");
    }
    tests::MachineOptions options;
    options.cpus = cpus;
    options.memory_mib = pwru.empty() ? 512 : 1536;
    options.files = programs.files();
    options.files.push_back({tests::in_source("tests/bench/tracer_guest.sh"), "/tracer.sh", 0644});
    return options;
}

}  // namespace

struct TracerGuest::Parts {
    Parts(const Conditions& conditions, unsigned cpus, const fs::path& pwru)
        : server({.arguments = {"iperf3", "--server", "--bind", "127.0.0.1", "--port",
                                std::to_string(iperf_port)},
                  .environment = {},
                  .log = conditions.directory / "iperf3.log",
                  .cpu = std::nullopt,
                  .ready_pipe = false}),
          nic({.arguments = {conditions.nic.string(), "--socket", (scratch.path() / "s").string(),
                             "--wire", "nat", "--ready-fd", std::to_string(dpdk::ready_fd)},
               .environment = {},
               .log = conditions.directory / "nic.log",
               .cpu = std::nullopt,
               .ready_pipe = true}) {
        if (!nic.wait_ready(nic_start_limit)) throw std::runtime_error(nic.last_words());
        machine = std::make_unique<tests::Machine>(scratch, scratch.path() / "s",
                                                   machine_options(cpus, pwru));
    }

    tests::Scratch scratch;
    dpdk::Child server;
    dpdk::Child nic;
    std::unique_ptr<tests::Machine> machine;
};

TracerGuest::TracerGuest(const Conditions& conditions, unsigned cpus, const fs::path& pwru)
    : parts_(std::make_unique<Parts>(conditions, cpus, pwru)) {
    auto& agent = parts_->machine->agent();
    agent.bring_up_network();
    agent.must(". /tracer.sh");
}

TracerGuest::~TracerGuest() = default;

double TracerGuest::number(const std::string& command) {
    const auto outcome = parts_->machine->agent().run(command, patience);
    // What a shell says of its background processes comes before.
    std::string text = outcome.output;
    text.erase(text.find_last_not_of("\r\n") + 1);
    text.erase(0, text.find_last_of("\r\n") + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (outcome.status != 0 || error != std::errc{} || end != text.data() + text.size()) {
        throw std::runtime_error(
            text.empty() ? fmt::format("in the guest, {} gave no number", command) : text);
    }
    return value;
}

/// Starts it, has `pings` answered, and ends it.
void TracerGuest::trace_flood(const std::string& who, int pings, TracerFigures& figures) {
    const double start = number("start " + who);
    figures.try_emplace("start", start);
    figures["ping"] = number(fmt::format("flood {}", pings));
    figures["memory"] = number("memory") / 1024;
    figures["end flood"] = number("stop " + who);
}

TracerFigures TracerGuest::turn(const std::string& who, int pings) {
    auto& agent = parts_->machine->agent();
    TracerFigures figures;
    const auto tcp = [this] { return number(fmt::format("tcp {} {}", iperf_seconds, iperf_port)); };
    if (who == "nobody") {
        figures["ping"] = number(fmt::format("flood {}", pings));
        figures["tcp"] = tcp();
        return figures;
    }
    const bool ours = who.starts_with(collector);
    const std::string name = ours ? collector : who;
    const auto start = [&] { return number("start " + name); };
    const auto stop = [&] { return number("stop " + name); };
    if (ours) {
        const std::string format = who == collector ? "" : " --format json-lines";
        agent.must(fmt::format("collect_options='{}'", format));
        figures["start unknown"] = start();
        stop();
        agent.must(
            fmt::format("collect_options='--plan /run/plan --save-plan /run/plan{}'", format));
        start();  // makes the plan, where there is none
        stop();
    }
    figures["start"] = start();
    agent.must("ping -c 1 10.0.2.2");
    figures["end"] = stop();
    const bool counts = who != "trace-cmd";
    const double of_one = counts ? number("written " + name) : 0;

    trace_flood(name, pings, figures);
    if (counts) {
        figures["kept"] = of_one == 0 ? 0 : 100 * number("written " + name) / (of_one * pings);
        figures["lost"] = number("lost " + name);
    }
    start();
    const double before = number("frames");
    figures["tcp"] = tcp();
    const double frames = number("frames") - before;
    stop();
    if (ours) {
        figures["kept tcp"] = 100 * number("written " + name) / frames;
        figures["lost tcp"] = number("lost " + name);
    }
    return figures;
}

TracerFigures TracerGuest::cost(const std::string& options, int pings) {
    parts_->machine->agent().must(
        fmt::format("collect_options='--plan /run/plan --save-plan /run/plan {}'", options));
    TracerFigures figures;
    trace_flood(collector, pings, figures);
    figures["lost"] = number(fmt::format("lost {}", collector));
    figures["functions"] = number("of_status functions");
    return figures;
}

}  // namespace skbtrail::bench
