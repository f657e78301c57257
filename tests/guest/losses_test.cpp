// What is lost under load, and whether the count of it is right: a guest sends frames that carry
// serial numbers while the collector stands still, so that one of its buffers overflows. Each
// number is in one packet's history, or its loss was counted.

#include <cstdint>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "tests/guest/collector.h"
#include "tests/guest/identity_frames.h"
#include "tests/guest/testbed.h"
#include "tests/places.h"

using skbtrail::tests::Agent;
using skbtrail::tests::built_program;
using skbtrail::tests::collect;
using skbtrail::tests::Testbed;

namespace {

constexpr std::uint64_t frames = 250;
/// The driver is given each frame in one call of this.
constexpr const char* handed_over = "start_xmit";
/// Losses of sk_buffs at a function's calls.
constexpr const char* sightings = "bpf_reserve_failed|call_without_event|memory_limit_events";

/// The sum of the counts of lines like those of losses_in().
std::uint64_t sum_of(const std::string& lines) {
    std::uint64_t sum = 0;
    const std::string key = "\"count\":";
    for (std::size_t at = 0; (at = lines.find(key, at)) != std::string::npos;) {
        at += key.size();
        sum += std::stoull(lines.substr(at));
    }
    return sum;
}

/// A recording in the guest, taken apart there: it is large.
class Flood {
  public:
    /// Records the frames with a collector that takes nothing from its buffers meanwhile.
    Flood(Agent& agent, const std::string& options) : agent_(agent) {
        agent_.must(
            fmt::format("rm -f /run/status; {} {} -o /run/r.json 2>/run/status & echo $! >/run/it; "
                        "while ! grep "
                        "-qs started /run/status; do sleep 0.1; done",
                        collect, options));
        const auto before = agent_.statistic("tx_packets");
        agent_.must(
            fmt::format("kill -STOP $(cat /run/it); traffic send 1 {} 100 10.0.2.2 6000; kill "
                        "-CONT $(cat /run/it)",
                        frames));
        agent_.must("kill -INT $(cat /run/it); wait $(cat /run/it)");
        sent_ = agent_.statistic("tx_packets") - before;
        agent_.must("tr '{' '\\n' </run/r.json >/run/parts");
    }

    /// Frames that the interface counts, ours and others.
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    /// Parts of the recording that match an extended regular expression.
    [[nodiscard]] std::uint64_t count(const std::string& pattern) const {
        return std::stoull(agent_.run(fmt::format("grep -cE '{}' /run/parts", pattern)).output);
    }
    [[nodiscard]] std::uint64_t calls() const {
        return count(fmt::format("^\"function\":\"{}\",.*\"start\":", handed_over));
    }
    [[nodiscard]] std::uint64_t calls_with_packet() const {
        return count(fmt::format("^\"function\":\"{}\",.*\"skbs\":", handed_over));
    }
    /// What was lost, of these kinds; of one function, or of all.
    [[nodiscard]] std::uint64_t lost(const std::string& kinds, const std::string& function) const {
        const auto of_it = function.empty() ? "" : fmt::format(".*\"function\":\"{}\"", function);
        return sum_of(
            agent_.run(fmt::format("grep -E '^\"kind\":\"({})\"{}' /run/parts", kinds, of_it))
                .output);
    }
    /// The serial numbers that packets carry; each in one packet only.
    [[nodiscard]] std::set<std::string> serials() const {
        const auto word = skbtrail::tests::payload_word(0).substr(0, 8);
        std::istringstream lines(
            agent_.run(fmt::format("grep -oE '\"payload\":\"{}.{{8}}' /run/parts", word)).output);
        std::set<std::string> serials;
        for (std::string line; std::getline(lines, line);) {
            INFO(line);
            CHECK(serials.insert(line).second);
        }
        return serials;
    }

  private:
    Agent& agent_;
    std::uint64_t sent_ = 0;
};

}  // namespace

TEST_CASE("what the collector loses under load is counted, and the count is right") {
    skbtrail::tests::MachineOptions machine;
    machine.memory_mib = 768;
    machine.files = {{built_program("skbtrail-test-traffic"), "/bin/traffic", 0755}};
    Testbed testbed(machine);
    auto& agent = testbed.machine.agent();
    agent.bring_up_network();
    // Frames that nobody sent would be counted by the interface before or after the recording.
    agent.must("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
    {
        INFO("nothing is too small");
        const Flood flood(agent, "--buffer-kib 32768 --event-kib 32768 --memory-mib 256");
        CHECK(flood.calls() == flood.sent());
        CHECK(flood.calls_with_packet() + flood.lost(sightings, handed_over) == flood.sent());
        CHECK(flood.serials().size() + flood.lost(sightings, handed_over) >= frames);
        // No more than the kernel hid.
        CHECK(flood.lost("[a-z_]*", "") == flood.lost("call_without_event|probe_missed", ""));
    }
    {
        INFO("the BPF ring buffer is");
        const Flood flood(agent, "--buffer-kib 32768 --event-kib 256 --memory-mib 256");
        const auto lost = flood.lost(sightings, handed_over);
        const auto serials = flood.serials().size();
        CHECK(flood.calls() == flood.sent());
        CHECK(lost > frames / 4);
        CHECK(flood.calls_with_packet() + lost == flood.sent());
        // A frame that was seen there has its number; another one may have been seen elsewhere.
        CHECK(serials + lost >= frames);
        CHECK(serials < frames);
    }
    {
        INFO("the trace buffer is: sk_buffs are told all the same");
        const Flood flood(agent, "--buffer-kib 512 --event-kib 32768 --memory-mib 256");
        const auto records =
            flood.lost("ring_buffer_overrun|ring_buffer_commit_overrun|ring_buffer_dropped", "");
        CHECK(flood.calls() < flood.sent());
        // An entry and a return for each call that is missing, and for all those below.
        CHECK(records > 2 * (flood.sent() - flood.calls()));
        CHECK(flood.lost("event_without_call", "") == 0);  // is no further loss
        CHECK(flood.serials().size() + flood.lost("call_without_event|probe_missed", "") >= frames);
    }
    testbed.nic.stop();
}
