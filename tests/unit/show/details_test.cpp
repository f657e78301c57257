// What `show --skb` says of an sk_buff.
#include "labs/show/details.h"

#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/show/show.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using test::call;
using Texts = std::vector<std::string>;

namespace {

/// All that can be set, is.
chain::SkbGeometry full() {
    chain::SkbGeometry skb;
    skb.address = 0xffff888003a1c000;
    skb.data = 78;
    skb.tail = 142;
    skb.end = 192;
    skb.protocol = 0x0800;
    skb.mac_header = 64;
    skb.network_header = 78;
    skb.transport_header = 98;
    skb.users = 2;
    skb.cloned = true;
    skb.device = 2;
    skb.netns = 4026531840;
    skb.sock = 0xffff888005000000;
    skb.queue = 1;
    skb.vlan = 0x6005;
    skb.mark = 0x10;
    skb.hash = 0xabcd;
    skb.timestamp = 1'790'000'000'123'456'789;
    skb.ip_summed = "partial";
    skb.frags = 3;
    skb.gso_size = 1448;
    skb.gso_segs = 2;
    skb.gso_type = "tcpv4";
    return skb;
}

chain::Observed observed() {
    chain::Observed observed;
    observed.interfaces.push_back({"lo", 1, "", 65536, "", {}});
    observed.interfaces.push_back({"eth0", 2, "", 1500, "virtio_net", {}});
    return observed;
}

Texts details(const chain::SkbGeometry& skb, const chain::SkbGeometry* before = nullptr) {
    return labs::skb_details(skb, before, observed());
}

/// What is shown when only `change` happened to a full one.
template <typename Change>
Texts after(Change change) {
    const auto before = full();
    auto now = before;
    change(now);
    return details(now, &before);
}

std::string tree(const chain::Recording& recording, const labs::ShowOptions& options) {
    std::ostringstream out;
    labs::show_chain(out, recording, recording.chains.at(0), options);
    return out.str();
}

}  // namespace

TEST_CASE("of an sk_buff that is seen first all is shown that is set") {
    CHECK(details(full()) == Texts{"skb 0xffff888003a1c000",
                                   "headroom 78",
                                   "tailroom 50",
                                   "mac 64",
                                   "network 78",
                                   "transport 98",
                                   "protocol 0x0800",
                                   "dev eth0",
                                   "netns 4026531840",
                                   "sock 0xffff888005000000",
                                   "users 2",
                                   "cloned yes",
                                   "frags 3",
                                   "gso 2 × 1448 bytes (tcpv4)",
                                   "ip_summed partial",
                                   "queue 1",
                                   "vlan 5 priority 3",
                                   "mark 0x10",
                                   "hash 0xabcd",
                                   "timestamp 1790000000123456789"});
    CHECK(details({}) == Texts{"headroom 0", "tailroom 0"});
}

TEST_CASE("of one that was seen before only what changed is shown") {
    using Skb = chain::SkbGeometry;
    CHECK(after([](Skb&) {}).empty());
    CHECK(after([](Skb& skb) { skb.data = 64; }) == Texts{"headroom 64"});
    CHECK(after([](Skb& skb) { skb.tail = 192; }) == Texts{"tailroom 0"});
    CHECK(after([](Skb& skb) { skb.mac_header = 0; }) == Texts{"mac 0"});
    CHECK(after([](Skb& skb) { skb.protocol = 0x0806; }) == Texts{"protocol 0x0806"});
    CHECK(after([](Skb& skb) { skb.users = 1; }) == Texts{"users 1"});
    CHECK(after([](Skb& skb) { skb.device = 7; }) == Texts{"dev 7 (ifindex)"});
    CHECK(after([](Skb& skb) { skb.gso_segs = 3; }) == Texts{"gso 3 × 1448 bytes (tcpv4)"});
    CHECK(after([](Skb& skb) { skb.vlan = 9; }) == Texts{"vlan 9"});
}

TEST_CASE("what is no longer so is said") {
    using Skb = chain::SkbGeometry;
    CHECK(after([](Skb& skb) { skb.mac_header.reset(); }) == Texts{"mac not set"});
    CHECK(after([](Skb& skb) { skb.sock = 0; }) == Texts{"sock none"});
    CHECK(after([](Skb& skb) { skb.cloned = false; }) == Texts{"cloned no"});
    CHECK(after([](Skb& skb) { skb.frags = 0; }) == Texts{"frags 0"});
    CHECK(after([](Skb& skb) { skb.gso_size = 0; }) == Texts{"gso none"});
    CHECK(after([](Skb& skb) { skb.vlan.reset(); }) == Texts{"vlan none"});
    CHECK(after([](Skb& skb) { skb.ip_summed = "none"; }) == Texts{"ip_summed none"});
    CHECK(after([](Skb& skb) { skb.timestamp = 0; }) == Texts{"timestamp none"});
    CHECK(after([](Skb& skb) { skb.mark = 0; }) == Texts{"mark 0"});
}

TEST_CASE("where the buffer's end was not read, nothing is said of what stands there") {
    CHECK(after([](chain::SkbGeometry& skb) {
              skb.frags.reset();
              skb.gso_size = 0;
          }).empty());
}

TEST_CASE("nothing can be put behind data that go on in pages") {
    CHECK(after([](chain::SkbGeometry& skb) { skb.data_len = 1000; }) == Texts{"tailroom 0"});
}

TEST_CASE("on request the details stand below the call, once, and change by change") {
    auto recording = test::RecordingBuilder()
                         .packet(1)
                         .chain(call("root", {call("a").skb(1), call("b").skb(1),
                                              call("c", {call("d").skb(1)}).skb(1)}))
                         .build();
    auto& calls = recording.chains[0].root.calls;
    calls[2].skbs[0].users = 2;
    calls[2].calls[0].skbs[0].users = 2;
    labs::ShowOptions options;
    CHECK_THAT(tree(recording, options), !ContainsSubstring("users"));
    options.skb_details = true;
    const std::string text = tree(recording, options);
    INFO(text);
    CHECK_THAT(text, ContainsSubstring("users 1"));
    CHECK_THAT(text, ContainsSubstring("│ users 2\n"));
    CHECK(text.find("users 1") > text.find("├ a"));
    CHECK(text.find("users 1") < text.find("├ b"));
    CHECK(text.find("users 2") > text.find("└ c"));
    CHECK(text.find("users 2") < text.find("└ d"));
    CHECK(text.rfind("users 1") == text.find("users 1"));
    CHECK(text.rfind("users 2") == text.find("users 2"));
}
