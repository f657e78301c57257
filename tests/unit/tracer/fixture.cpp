#include "tests/unit/tracer/fixture.h"

#include <cstring>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <catch2/catch_message.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "tests/places.h"
#include "tracer/files.h"
#include "tracer/ftrace/format.h"
#include "tracer/kprobe_decoder.h"
#include "tracer/plan.h"
#include "tracer/policy.h"

namespace skbtrail::tracer::test {

FunctionTable make_table(const std::vector<std::string>& probed,
                         const std::vector<std::string>& others) {
    FunctionTable table;
    const auto add = [&table](const std::string& name, bool is_probed) {
        Function function;
        function.name = name;
        function.symbol = (table.size() + 1) * 0x1000;
        function.site = function.symbol + 4;
        Signature signature;
        signature.transmits = name == "start_xmit";
        if (name == "receive_buf") {
            signature.parameters = {Parameter::other, Parameter::queue, Parameter::other};
        }
        if (name == "virtnet_poll" || name == "napi_complete_done") {
            signature.parameters = {Parameter::napi, Parameter::other};
        }
        function.roles = roles_of(name, &signature);
        function.probed = is_probed;
        table.add(std::move(function));
    };
    for (const auto& name : probed) add(name, true);
    for (const auto& name : others) add(name, false);
    return table;
}

std::uint64_t symbol_of(const FunctionTable& table, const std::string& name) {
    for (FunctionId id = 0; id < table.size(); ++id) {
        if (table[id].name == name) return table[id].symbol;
    }
    throw std::out_of_range("the test's table has no function " + name);
}

Story& Story::thread(std::uint32_t pid) {
    pid_ = pid;
    return *this;
}

Story& Story::context(std::uint8_t flags) {
    flags_ = flags;
    return *this;
}

Story& Story::on_cpu(unsigned number) {
    cpu_ = number;
    return *this;
}

Story& Story::enter(const std::string& function) {
    GraphRecord record;
    record.time = time_ += 10;
    record.site = symbol_of(table_, function) + 4;
    record.pid = pid_;
    record.depth = depth_[{pid_ == 0 ? cpu_ : 0, pid_}]++;
    record.cpu = static_cast<std::uint16_t>(cpu_);
    record.flags = flags_;
    record.entry = true;
    record.after_loss = std::exchange(after_loss_, false);
    capture.cpus()[cpu_].records.push_back(record);
    return *this;
}

Story& Story::leave(const std::string& function) {
    GraphRecord record;
    record.time = time_ += 10;
    record.site = symbol_of(table_, function) + 4;
    record.pid = pid_;
    record.depth = --depth_[{pid_ == 0 ? cpu_ : 0, pid_}];
    record.cpu = static_cast<std::uint16_t>(cpu_);
    record.flags = flags_;
    record.overrun = overrun_;
    record.after_loss = std::exchange(after_loss_, false);
    capture.cpus()[cpu_].records.push_back(record);
    return *this;
}

Story& Story::event(const std::string& function, skbtrail_event event, bool more) {
    if (!more) {
        ++sequence_[cpu_];
        time_ += 10;
    }
    event.function = symbol_of(table_, function);
    event.time = time_;
    event.sequence = sequence_[cpu_];
    event.tid = pid_;
    event.cpu = cpu_;
    capture.cpus()[cpu_].events.push_back(event);
    return *this;
}

Story& Story::call(const std::string& function, skbtrail_event event) {
    return enter(function).event(function, event);
}

Story& Story::leaf(const std::string& function, skbtrail_event event) {
    return call(function, event).leave(function);
}

Story& Story::lose() {
    after_loss_ = true;
    return *this;
}

Story& Story::overrun(std::uint32_t count) {
    overrun_ = count;
    return *this;
}

skbtrail_event sight(std::uint64_t skb, std::uint64_t head, std::uint32_t data, std::uint32_t len) {
    skbtrail_event event{};
    event.skb = skb;
    event.head = head;
    event.data = head + data;
    event.tail = data + len;
    event.end = 704;
    event.len = len;
    event.users = 1;
    event.mac_header = 0xffff;
    event.transport_header = 0xffff;
    return event;
}

skbtrail_event unset(std::uint64_t skb, std::uint64_t head) {
    skbtrail_event event{};
    event.skb = skb;
    event.extra = head;
    event.flags = SKBTRAIL_EVENT_UNSET;
    return event;
}

namespace {

/// Decodes events in ftrace's pages; nothing where they came from BPF.
std::optional<KprobeDecoder> load_kprobes(const std::string& directory) {
    const auto plain = try_read_file(directory + "/kprobe.format");
    if (!plain) return std::nullopt;
    std::vector<KprobePoint> points;
    std::istringstream lines(read_file(directory + "/kprobe_points"));
    KprobePoint point;
    unsigned argument = 0;
    unsigned member = 0;
    while (lines >> std::hex >> point.function >> std::dec >> point.cookie >> argument >> member) {
        point.argument = static_cast<std::uint8_t>(argument);
        point.member = static_cast<std::uint8_t>(member);
        points.push_back(point);
    }
    return KprobeDecoder(parse_format(*plain),
                         parse_format(read_file(directory + "/kprobe_bytes.format")),
                         parse_plan(read_file(directory + "/plan")).layout, std::move(points));
}

FunctionTable load_functions(const std::string& directory) {
    FunctionTable table;
    std::istringstream lines(read_file(directory + "/functions"));
    Function function;
    int probed = 0;
    std::uint32_t roles = 0;
    while (lines >> std::hex >> function.site >> function.symbol >> std::dec >> probed >>
           std::hex >> roles >> function.name >> function.module) {
        function.roles = roles_of(function.name, nullptr) | roles;
        function.probed = probed != 0;
        if (function.module == "-") function.module.clear();
        table.add(function);
    }
    return table;
}

void load_events(const std::string& directory, Capture& capture) {
    const auto events = read_file(directory + "/events");
    auto rest = std::as_bytes(std::span(events));
    while (rest.size() > 4) {
        std::uint32_t size = 0;
        std::memcpy(&size, rest.data(), sizeof size);
        rest = rest.subspan(4);
        if (size > rest.size()) throw std::runtime_error("the fixture's events are cut short");
        capture.add_event(rest.first(size));
        rest = rest.subspan(size);
    }
}

}  // namespace

std::string ping_of_any_kernel() {
    std::string name = GENERATE(from_range(recorded_pings));
    UNSCOPED_INFO(name);
    return name;
}

Recorded load_recorded(const std::string& name, std::size_t pages_kept) {
    const std::string directory = tests::in_source("tests/unit/tracer/data/" + name);
    const auto page_bytes = std::stoul(read_file(directory + "/page_bytes"));
    // One half is for pages.
    Recorded recorded{load_functions(directory), Capture(2 * pages_kept * page_bytes)};
    const GraphDecoder graph(parse_format(read_file(directory + "/funcgraph_entry.format")),
                             parse_format(read_file(directory + "/funcgraph_exit.format")));
    const auto kprobes = load_kprobes(directory);
    for (unsigned cpu = 0;; ++cpu) {
        const auto pages = try_read_file(directory + "/cpu" + std::to_string(cpu));
        if (!pages) break;
        for (auto rest = std::as_bytes(std::span(*pages)); rest.size() >= page_bytes;
             rest = rest.subspan(page_bytes)) {
            recorded.capture.add_page(cpu, rest.first(page_bytes));
        }
    }
    load_events(directory, recorded.capture);
    recorded.capture.decode(graph, kprobes ? &*kprobes : nullptr);
    return recorded;
}

}  // namespace skbtrail::tracer::test
