// Fuzzes what the control socket is asked: each line of the input is a request, answered by the
// real commands over the real device, with frames both ways behind each, so that what was paused,
// stepped, broken into or made faulty also works. Input: text.

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "device/control/commands.h"
#include "device/control/metrics.h"
#include "device/control/nic_view.h"
#include "device/faults/fault.h"
#include "tests/hostile/fuzz/invariant.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace skbtrail::hostile;

namespace {

constexpr int most_lines = 64;

/// A device on a bench, and what commands it.
struct Commanded {
    NetBench bench;
    FaultSet faults{1};
    Oversight oversight{bench.loop, *bench.device, faults};
    Commands commands{NicView{.oversight = oversight,
                              .wire = bench.wire,
                              .events = nullptr,
                              .front_end = [] { return FrontEndView{}; },
                              .disconnect = [] { return false; }}};

    void ask(std::string_view line) {
        const auto answer = nlohmann::json::parse(commands.answer(line), nullptr, false);
        require(answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean(),
                "an answer that says neither yes nor no");
        require(answer["ok"] == true ? answer.contains("result")
                                     : answer.contains("error") && answer["error"].is_string() &&
                                           !answer["error"].get<std::string>().empty(),
                "an answer without a result or a reason");
    }
    /// A frame each way; bounded, because a fault may keep the loop busy.
    void traffic() {
        try {
            bench.receive.chain().writable(200).offer();
            bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
        } catch (const std::runtime_error&) {
            // Held or never returned: the driver has no descriptors left.
        }
        bench.fds(0).kick.signal();
        bench.fds(1).kick.signal();
        bench.wire.deliver(pattern(60));
        for (int turns = 0; turns < 32 && bench.loop.turn(std::chrono::milliseconds(0)); ++turns) {
        }
        while (bench.receive.take_used() || bench.transmit.take_used()) {
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    Commanded nic;
    for (int lines = 0; !rest.empty() && lines < most_lines; ++lines) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        nic.ask(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        nic.traffic();
    }
    nic.ask(R"({"command":"state"})");
    require(!metrics_text(nic.commands.nic()).empty(), "there are no metrics");
    for (const unsigned queue : {0U, 1U}) {
        require(nic.bench.state(queue) == Virtqueue::State::running,
                "a command broke a queue of an honest driver");
    }
    return 0;
}
