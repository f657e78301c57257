#include "tests/unit/tracer/fixture.h"

#include <cstring>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tracer/files.h"
#include "tracer/ftrace/format.h"
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

Recorded load_recorded(const std::string& name) {
    const std::string directory = std::string(SKBTRAIL_TEST_DATA) + "/" + name;
    Recorded recorded;
    std::istringstream lines(read_file(directory + "/functions"));
    Function function;
    int probed = 0;
    std::uint32_t roles = 0;
    while (lines >> std::hex >> function.site >> function.symbol >> std::dec >> probed >>
           std::hex >> roles >> function.name >> function.module) {
        function.roles = roles_of(function.name, nullptr) | roles;
        function.probed = probed != 0;
        if (function.module == "-") function.module.clear();
        recorded.functions.add(function);
    }
    const GraphDecoder decoder(parse_format(read_file(directory + "/funcgraph_entry.format")),
                               parse_format(read_file(directory + "/funcgraph_exit.format")));
    for (unsigned cpu = 0;; ++cpu) {
        const auto pages = try_read_file(directory + "/cpu" + std::to_string(cpu));
        if (!pages) break;
        auto rest = std::as_bytes(std::span(*pages));
        for (; rest.size() >= 4096; rest = rest.subspan(4096)) {
            recorded.capture.add_page(cpu, rest.first(4096));
        }
    }
    const auto events = read_file(directory + "/events");
    auto rest = std::as_bytes(std::span(events));
    while (rest.size() > 4) {
        std::uint32_t size = 0;
        std::memcpy(&size, rest.data(), sizeof size);
        rest = rest.subspan(4);
        if (size > rest.size()) throw std::runtime_error("the fixture's events are cut short");
        recorded.capture.add_event(rest.first(size));
        rest = rest.subspan(size);
    }
    recorded.capture.decode(decoder);
    return recorded;
}

}  // namespace skbtrail::tracer::test
