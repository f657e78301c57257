// Small recordings, written like the trees that they are. Shared by the tests of the chain model,
// the checker and the viewer.
//
//     RecordingBuilder()
//         .packet(1, {{"icmp.type", "echo-reply"}})
//         .chain(call("__napi_poll", {call("virtnet_poll", {call("ip_rcv").skb(1, 78)})}))
//         .build()
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tracer/chain/names.h"
#include "tracer/chain/recording.h"

namespace skbtrail::test {

/// One call and what it called. Times are given when the recording is built.
class CallBuilder {
  public:
    CallBuilder(std::string function, std::vector<CallBuilder> below = {}) {
        call_.function = std::move(function);
        for (CallBuilder& builder : below) call_.calls.push_back(std::move(builder.call_));
    }

    /// The call is given an sk_buff of `packet`, with `data` bytes in front of its data.
    CallBuilder&& skb(chain::PacketId packet, std::int64_t data = 64, std::uint32_t len = 98) && {
        chain::SkbGeometry geometry;
        geometry.packet = packet;
        geometry.address = 0xffff888003a1c000 + std::uint64_t{packet} * 0x100;
        geometry.head = 0xffff888004000000 + std::uint64_t{packet} * 0x1000;
        geometry.data = data;
        geometry.len = len;
        geometry.tail = data + len;
        geometry.end = 448;
        geometry.protocol = 0x0800;
        geometry.users = 1;
        geometry.device = 2;
        call_.skbs.push_back(geometry);
        return std::move(*this);
    }
    CallBuilder&& in_module(std::string module) && {
        call_.module = std::move(module);
        return std::move(*this);
    }
    CallBuilder&& incomplete(std::string why) && {
        call_.incomplete = std::move(why);
        return std::move(*this);
    }
    CallBuilder&& on_cpu(unsigned cpu) && {
        call_.cpu = cpu;
        return std::move(*this);
    }

    const chain::Call& value() const { return call_; }

  private:
    chain::Call call_;
};

inline CallBuilder call(std::string function, std::vector<CallBuilder> below = {}) {
    return {std::move(function), std::move(below)};
}

class RecordingBuilder {
  public:
    RecordingBuilder() {
        recording_.observed.kernel_release = "6.12.38+deb12-cloud-amd64";
        recording_.observed.collector_version = "0.1.0";
        recording_.observed.machine = "x86_64";
        recording_.losses.push_back({"ring_buffer_overrun", 0U, 0, "events overwritten"});
    }

    RecordingBuilder& packet(chain::PacketId id, std::map<std::string, std::string> headers = {},
                             std::string summary = "") {
        chain::Packet packet;
        packet.id = id;
        packet.identified_by = "head";
        packet.head = 0xffff888004000000 + std::uint64_t{id} * 0x1000;
        packet.headers = std::move(headers);
        packet.summary = std::move(summary);
        recording_.packets.push_back(packet);
        return *this;
    }
    RecordingBuilder& edge(chain::PacketId from, std::string kind, chain::PacketId to) {
        for (chain::Packet& packet : recording_.packets) {
            if (packet.id == from) packet.edges.push_back({kind, to});
        }
        return *this;
    }
    RecordingBuilder& chain(const CallBuilder& root, unsigned cpu = 0,
                            chain::Context context = chain::Context::softirq) {
        chain::Chain chain;
        chain.id = static_cast<chain::ChainId>(recording_.chains.size() + 1);
        chain.cpu = cpu;
        chain.context = context;
        chain.pid = 123;
        chain.comm = "ping";
        chain.root = root.value();
        now_ += 1000;
        stamp(chain.root);
        recording_.chains.push_back(std::move(chain));
        return *this;
    }
    RecordingBuilder& loss(std::string kind, std::uint64_t count,
                           std::optional<unsigned> cpu = std::nullopt) {
        recording_.losses.push_back({std::move(kind), cpu, count, ""});
        return *this;
    }
    RecordingBuilder& kernel(std::string release) {
        recording_.observed.kernel_release = std::move(release);
        return *this;
    }
    /// A function that could have been seen, beside those that were.
    RecordingBuilder& traceable(std::string function) {
        extra_.insert(std::move(function));
        return *this;
    }
    chain::Recording& raw() { return recording_; }

    chain::Recording build() const {
        chain::Recording result = recording_;
        std::set<std::string> traced = extra_;
        for (const chain::Chain& chain : result.chains) add_names(chain.root, traced);
        result.observed.traced.assign(traced.begin(), traced.end());
        return result;
    }

  private:
    void stamp(chain::Call& call) {
        now_ += 100;
        call.start = now_;
        for (chain::Call& below : call.calls) stamp(below);
        now_ += 100;
        call.duration = now_ - call.start;
    }
    static void add_names(const chain::Call& call, std::set<std::string>& names) {
        names.insert(call.function);
        for (const chain::Call& below : call.calls) add_names(below, names);
    }

    chain::Recording recording_;
    std::set<std::string> extra_;
    chain::Nanoseconds now_ = 1'000'000;
};

}  // namespace skbtrail::test
