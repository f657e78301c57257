// A recording that is made while it is recorded is the one that is made afterwards, in whatever
// pieces it comes; and what is told of is forgotten.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/places.h"
#include "tests/unit/tracer/following.h"
#include "tracer/chain/recording_json.h"
#include "tracer/files.h"
#include "tracer/stream/assembler.h"
#include "tracer/stream/text.h"

using namespace skbtrail;
using namespace skbtrail::tracer;
using namespace skbtrail::tracer::test;

namespace {

constexpr std::uint64_t long_after = 10'000'000'000;

class Collected : public StreamSink {
  public:
    void chain(const chain::Chain& chain) override { recording.chains.push_back(chain); }
    void packet(const chain::Packet& packet) override { recording.packets.push_back(packet); }
    chain::Recording recording;
};

/// Without the numbers, which depend on what was complete first.
std::string text_of(chain::Recording recording) {
    std::map<chain::ChainId, chain::Nanoseconds> starts;
    std::sort(
        recording.chains.begin(), recording.chains.end(),
        [](const auto& left, const auto& right) { return left.root.start < right.root.start; });
    std::sort(recording.packets.begin(), recording.packets.end(),
              [](const auto& left, const auto& right) { return left.id < right.id; });
    std::map<chain::ChainId, chain::ChainId> numbers;
    for (auto& chain : recording.chains) {
        const auto number = static_cast<chain::ChainId>(numbers.size() + 1);
        numbers[chain.id] = number;
        chain.id = number;
    }
    for (auto& chain : recording.chains) {
        if (chain.nested_in) chain.nested_in->chain = numbers.at(chain.nested_in->chain);
    }
    std::ostringstream out;
    chain::write_json(recording, out);
    return out.str();
}

struct Setting {
    explicit Setting(const FunctionTable& table) : functions(table) {}

    [[nodiscard]] StreamSetting get() const {
        return {functions,
                decoder,
                nullptr,
                drop_reasons,
                selection,
                roots,
                [](auto) { return std::string(); },
                std::size_t{1} << 30U};
    }

    const FunctionTable& functions;
    GraphDecoder decoder{
        parse_format(
            read_file(tests::in_source("tests/unit/tracer/data/ping-6.12/funcgraph_entry.format"))),
        parse_format(
            read_file(tests::in_source("tests/unit/tracer/data/ping-6.12/funcgraph_exit.format")))};
    Selection selection;
    std::vector<std::string> roots;
};

/// What came between two times, as the inbox hands it over.
Delivery part_of(const Capture& whole, std::uint64_t begin, std::uint64_t end) {
    Delivery delivery{Capture(std::size_t{1} << 30U), {}, end};
    for (const auto& [cpu, one] : whole.cpus()) {
        delivery.pages_until[cpu] = end;
        auto& to = delivery.capture.cpus()[cpu];
        for (const auto& record : one.records) {
            if (record.time >= begin && record.time < end) to.records.push_back(record);
        }
        for (auto event : one.events) {
            if (event.time < begin || event.time >= end) continue;
            const auto bytes = whole.bytes_of(event);
            skbtrail_long_event raw{event, {}};
            std::copy(bytes.begin(), bytes.end(), std::begin(raw.bytes));
            delivery.capture.add_event(std::as_bytes(std::span(&raw, 1)));
        }
    }
    return delivery;
}

std::uint64_t count_of(const std::vector<chain::Loss>& losses) {
    std::uint64_t sum = 0;
    for (const auto& loss : losses) sum += loss.count;
    return sum;
}

}  // namespace

TEST_CASE("a recorded ping in pieces is the same as in one") {
    // The smallest pieces are shorter than most calls.
    const auto step = GENERATE(std::uint64_t{200'000}, 3'000'000, 50'000'000, 5'000'000'000);
    CAPTURE(step);
    const auto recorded = load_recorded(ping_of_any_kernel());
    auto whole = assemble(recorded.capture, recorded.functions, {}, drop_reasons, {});

    std::uint64_t first = ~std::uint64_t{0};
    std::uint64_t last = 0;
    for (const auto& [cpu, one] : recorded.capture.cpus()) {
        for (const auto& record : one.records) {
            first = std::min(first, record.time);
            last = std::max(last, record.time);
        }
    }
    Setting setting(recorded.functions);
    Collected collected;
    StreamAssembler stream(setting.get(), collected);
    for (auto at = first; at <= last; at += step) {
        stream.add(part_of(recorded.capture, at, at + step));
    }
    stream.finish(~std::uint64_t{0});
    CHECK(count_of(stream.losses()) == 0);
    CHECK(text_of(std::move(collected.recording)) ==
          text_of({{}, {}, std::move(whole.packets), std::move(whole.chains), {}}));
}

TEST_CASE("a stream is not cut between a call's record and its event by an interrupt") {
    const auto table = make_table({"ip_rcv"}, {"irq_enter_rcu", "irq_exit_rcu"});
    Story story(table);
    for (int i = 0; i < 3; ++i) {
        story.enter("ip_rcv").enter("irq_enter_rcu").leave("irq_enter_rcu");
        story.context(flag_hardirq).enter("irq_exit_rcu").context(0).leave("irq_exit_rcu");
        story.event("ip_rcv", sight(skb_1, head_a)).leave("ip_rcv");
    }
    // Ten milliseconds a step: what is known ends in the midst of a call at some time.
    constexpr std::uint64_t scale = 1'000'000;
    auto& cpu = story.capture.cpus().at(0);
    for (auto& record : cpu.records) record.time *= scale;
    for (auto& event : cpu.events) event.time *= scale;
    const auto step = GENERATE(std::uint64_t{5}, 15, 35, 65) * scale;
    CAPTURE(step);
    Setting setting(table);
    Collected collected;
    StreamAssembler stream(setting.get(), collected);
    const auto first = cpu.records.front().time;
    for (auto at = first; at <= cpu.records.back().time; at += step) {
        stream.add(part_of(story.capture, at, at + step));
    }
    stream.finish(~std::uint64_t{0});
    CHECK(count_of(stream.losses()) == 0);
}

TEST_CASE("a stream has the chains of interrupts, if they are asked for") {
    const auto table = make_table({}, {"vring_interrupt"});
    Story story(table);
    story.context(flag_hardirq).enter("vring_interrupt").leave("vring_interrupt");
    const bool asked = GENERATE(false, true);
    Setting setting(table);
    setting.selection.interrupts = asked;
    Collected collected;
    StreamAssembler stream(setting.get(), collected);
    stream.add(part_of(story.capture, 0, ~std::uint64_t{0}));
    stream.finish(~std::uint64_t{0});
    CHECK(collected.recording.chains.size() == (asked ? 1 : 0));
}

TEST_CASE("what is complete is handed on before the end, and what is not is waited for") {
    const auto table = make_table({"__build_skb_around", "ip_rcv", "skb_release_data"},
                                  {"__napi_poll", "__x64_sys_recvfrom"});
    Story story(table);
    story.thread(7).enter("__x64_sys_recvfrom");  // blocks
    story.thread(100).context(flag_softirq).enter("__napi_poll");
    story.leaf("__build_skb_around", unset(skb_1, head_a));
    story.leaf("ip_rcv", sight(skb_1, head_a));
    story.leaf("skb_release_data", last(sight(skb_1, head_a)));
    story.leave("__napi_poll");
    const auto middle = story.now();

    Setting setting(table);
    Collected collected;
    StreamAssembler stream(setting.get(), collected);
    stream.add(part_of(story.capture, 0, middle + 1));
    CHECK(collected.recording.chains.empty());  // more could come
    Delivery later{Capture(1U << 20U), {{0, long_after}}, long_after};
    stream.add(std::move(later));
    REQUIRE(collected.recording.chains.size() == 1);
    CHECK(collected.recording.chains[0].root.function == "__napi_poll");
    REQUIRE(collected.recording.packets.size() == 1);
    CHECK(collected.recording.packets[0].head == head_a);

    stream.finish(2 * long_after);
    REQUIRE(collected.recording.chains.size() == 2);
    CHECK(collected.recording.chains[1].root.function == "__x64_sys_recvfrom");
    CHECK(collected.recording.chains[1].id == 2);
    CHECK_FALSE(collected.recording.chains[1].root.incomplete.empty());
    CHECK(collected.recording.packets.size() == 1);
}

TEST_CASE("records that did not fit are a loss, and the calls around it say so") {
    const auto table = make_table({"ip_rcv"}, {"__napi_poll"});
    Story before(table);
    before.enter("__napi_poll").leaf("ip_rcv", sight(skb_1, head_a));
    auto first = part_of(before.capture, 0, long_after);
    first.capture.cpus()[0].records_over_limit = 40;
    Setting setting(table);
    Collected collected;
    StreamAssembler stream(setting.get(), collected);
    stream.add(std::move(first));

    Story after(table);
    after.enter("__napi_poll").leaf("ip_rcv", sight(skb_1, head_a)).leave("__napi_poll");
    Delivery second = part_of(after.capture, 0, long_after);
    second.capture.decode_events();
    for (auto& record : second.capture.cpus()[0].records) record.time += long_after;
    for (auto& event : second.capture.cpus()[0].events) event.time += long_after;
    second.pages_until[0] = 3 * long_after;
    second.events_until = 3 * long_after;
    stream.add(std::move(second));
    stream.finish(4 * long_after);
    CHECK(count_of(stream.losses()) == 40);
    REQUIRE(collected.recording.chains.size() == 2);
    CHECK(collected.recording.chains[0].root.incomplete.find("overran") != std::string::npos);
    CHECK(collected.recording.chains[1].root.incomplete.empty());
}

TEST_CASE("text for a person: the tree, the packet and its fate, and no control characters") {
    chain::Chain chain;
    chain.pid = 12;
    chain.comm = "a\033[2Jb";
    chain::Call inner;
    inner.function = "virtnet_poll";
    inner.module = "virtio_net";
    auto& skb = inner.skbs.emplace_back();
    skb.packet = 3;
    skb.len = 84;
    chain.root.function = "__napi_poll";
    chain.root.start = 1'500'000'000;
    chain.root.duration = 12'345;
    chain.root.interrupted = 1'002;
    chain.root.calls.push_back(inner);
    CHECK(tracer::text_of(chain) ==
          "1.500000 cpu 0 task a [2Jb[12]\n"
          "     12.345 us  __napi_poll (interrupted for 1.002 us)\n"
          "             ?    virtnet_poll [virtio_net] #3 len 84\n");
    chain::Packet packet;
    packet.id = 3;
    packet.summary = "ICMP echo reply";
    packet.fate = {.kind = "delivered", .function = "raw_rcv", .socket = 9, .pid = 12, .comm = "p"};
    CHECK(tracer::text_of(packet) ==
          "0.000000 #3 ICMP echo reply: delivered to socket 9, read by p[12], in raw_rcv\n");
}
