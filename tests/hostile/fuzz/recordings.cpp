// Fuzzes what the collector makes of what the kernel hands over: ftrace's pages, the BPF program's
// events, their merge, the trees, and who is who. Input: recording_script.h.
//
// Whatever comes in, what goes out is a recording: it is written, read back strictly, and says the
// same; packets are numbered from 1, and nothing goes into itself.

#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/invariant.h"
#include "tests/hostile/fuzz/recording_script.h"
#include "tests/unit/tracer/page_builder.h"
#include "tracer/assemble.h"
#include "tracer/chain/recording_json.h"
#include "tracer/policy.h"

using namespace skbtrail;
using namespace skbtrail::hostile;
using namespace skbtrail::tracer;

namespace {

constexpr std::uint64_t text = 0xffffffff81000000;
constexpr std::uint64_t memory = 0xffff888000000000;
constexpr unsigned cpus = 2;
/// More only takes long.
constexpr std::size_t most_steps = 512;

const FunctionTable& functions() {
    static const FunctionTable table = [] {
        FunctionTable result;
        for (const auto name : recording_functions) {
            Function function;
            function.name = name;
            function.symbol = text + result.size() * 0x100;
            function.site = function.symbol + 4;
            Signature signature;
            signature.transmits = name == "start_xmit";
            if (name == "receive_buf") {
                signature.parameters = {Parameter::other, Parameter::queue, Parameter::other};
            }
            function.roles = roles_of(name, &signature);
            function.probed =
                name != "packet_recvmsg" && (function.roles & role::around_interrupts) == 0;
            result.add(std::move(function));
        }
        return result;
    }();
    return table;
}

/// As Linux 6.12 says it (events/ftrace/funcgraph_entry/format and funcgraph_exit).
const GraphDecoder& decoder() {
    static const std::string common =
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
        "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
        "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
        "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n";
    static const GraphDecoder graph(
        parse_format("name: funcgraph_entry\nID: 11\nformat:\n" + common +
                     "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"),
        parse_format("name: funcgraph_exit\nID: 10\nformat:\n" + common +
                     "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
                     "\tfield:unsigned int overrun;\toffset:20;\tsize:4;\tsigned:0;\n"
                     "\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n"
                     "\tfield:unsigned long long rettime;\toffset:32;\tsize:8;\tsigned:0;\n"));
    return graph;
}

/// Plays the kernel.
class Kernel {
  public:
    explicit Kernel(Capture& capture) : capture_(capture) {}

    void play(FuzzInput& input) {
        for (std::size_t i = 0; i < most_steps && !input.empty(); ++i) {
            step(static_cast<RecordingStep>(input.take<std::uint8_t>() % recording_steps), input);
        }
    }

  private:
    void step(RecordingStep step, FuzzInput& input) {
        switch (step) {
            case RecordingStep::page: {
                const auto cpu = input.take<std::uint8_t>() % cpus;
                capture_.add_page(cpu, input.take_bytes(input.take<std::uint16_t>() % 4097U));
                return;
            }
            case RecordingStep::event: {
                std::vector<std::byte> bytes(input.take<std::uint16_t>() % 512U);
                const auto taken = input.take_bytes(bytes.size());
                std::copy(taken.begin(), taken.end(), bytes.begin());
                // The program runs on one of the CPUs.
                if (bytes.size() >= sizeof(skbtrail_event)) {
                    auto& cpu = bytes[offsetof(skbtrail_event, cpu)];
                    cpu &= std::byte{1};
                    std::memset(&cpu + 1, 0, 3);
                }
                capture_.add_event(bytes);
                return;
            }
            case RecordingStep::enter:
            case RecordingStep::leave:
                return record(input.take<BriefCall>(), step == RecordingStep::enter);
            case RecordingStep::sight:
                return sight(input.take<BriefSight>());
        }
    }

    void record(const BriefCall& call, bool entry) {
        time_ += 10;
        std::vector<std::uint8_t> data(entry ? 20 : 40);
        const auto put = [&data](std::size_t at, auto value) {
            std::memcpy(data.data() + at, &value, sizeof value);
        };
        put(0, static_cast<std::uint16_t>(entry ? 11 : 10));
        put(2, call.flags);
        put(4, std::uint32_t{call.pid});
        put(8, text + call.function % recording_functions.size() * 0x100 + 4);
        put(16, std::int32_t{call.depth});
        tracer::test::PageBuilder page(time_, 128);
        page.record(0, data);
        const auto bytes = page.finish();
        capture_.add_page(call.cpu % cpus, bytes);
    }

    void sight(const BriefSight& brief) {
        if (brief.more == 0) {
            time_ += 10;
            ++sequence_;
        }
        const auto address = [](std::uint8_t number) {
            return number == 0 ? 0 : memory + std::uint64_t{number % 8U} * 0x1000;
        };
        skbtrail_event event{};
        event.function = text + brief.function % recording_functions.size() * 0x100;
        event.time = time_;
        event.sequence = sequence_;
        event.extra = brief.extra;
        event.skb = address(brief.skb);
        event.head = address(brief.head);
        event.data = event.head + 64;
        event.len = brief.len;
        event.tail = 64 + brief.len;
        event.end = 512;
        event.users = brief.users;
        event.cpu = brief.cpu % cpus;
        event.tid = brief.pid;
        event.argument = brief.argument % 16;
        event.flags = brief.flags & static_cast<std::uint8_t>(~SKBTRAIL_EVENT_BYTES);
        capture_.add_event(std::as_bytes(std::span(&event, 1)));
    }

    Capture& capture_;
    std::uint64_t time_ = 1000;
    std::uint64_t sequence_ = 0;
};

void check(const chain::Recording& recording) {
    chain::PacketId expected = 0;
    for (const auto& packet : recording.packets) {
        require(packet.id == ++expected, "packets are not numbered from 1");
        for (const auto& edge : packet.edges) {
            const bool same = edge.kind == "clone" || edge.kind == "forward";
            require(same == (edge.packet == packet.id), "an edge of a packet to itself");
        }
    }
    std::ostringstream written;
    chain::write_json(recording, written);
    const auto again = chain::parse_recording(written.str());
    std::ostringstream twice;
    chain::write_json(again, twice);
    require(written.str() == twice.str(), "what was read back is not what was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    FuzzInput input(data, size);
    Capture capture(1U << 20U);
    Kernel(capture).play(input);
    capture.decode(decoder());
    auto assembled =
        assemble(capture, functions(), {}, {"NOT_DROPPED_YET", "CONSUMED", "NO_SOCKET"}, {});
    chain::Recording recording;
    recording.chains = std::move(assembled.chains);
    recording.packets = std::move(assembled.packets);
    recording.losses = std::move(assembled.losses);
    check(recording);
    return 0;
}
