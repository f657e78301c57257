#include "tracer/kprobe_decoder.h"

#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>

#include "tracer/failure.h"
#include "tracer/ftrace/kprobe_events.h"

using namespace skbtrail::tracer;

namespace {

constexpr std::uint64_t function = 0xffffffff81a00000;
constexpr std::uint64_t head = 0xffff888001000000;

/// A small sk_buff of our own making: 10 words.
SkbLayout layout() {
    SkbLayout layout;
    layout.size = 80;
    layout.next = {0, 64};
    layout.dev = {64, 64};
    layout.head = {128, 64};
    layout.data = {192, 64};
    layout.len = {256, 32};
    layout.data_len = {288, 32};
    layout.tail = {320, 32};
    layout.end = {352, 32};
    layout.protocol = {384, 16};
    layout.network_header = {400, 16};
    layout.mac_header = {416, 16};
    layout.transport_header = {432, 16};
    layout.users = {448, 32};
    layout.cloned = {480, 1};
    layout.ip_summed = {481, 2};
    layout.mark = {512, 32};
    layout.tstamp = {576, 64};
    layout.dev_ifindex = {1792, 32};
    layout.dev_net = {2240, 64};
    layout.net_inum = {1024, 32};
    return layout;
}

EventFormat format(bool with_bytes) {
    std::string text = std::string("name: x\nID: ") + (with_bytes ? "901" : "900") +
                       "\nformat:\n"
                       "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
                       "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
                       "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
                       "\tfield:u32 point;\toffset:16;\tsize:4;\tsigned:0;\n"
                       "\tfield:u64 base;\toffset:20;\tsize:8;\tsigned:0;\n"
                       "\tfield:u64 skb;\toffset:28;\tsize:8;\tsigned:0;\n"
                       "\tfield:u64 extra;\toffset:36;\tsize:8;\tsigned:0;\n"
                       "\tfield:u32 ifindex;\toffset:44;\tsize:4;\tsigned:0;\n"
                       "\tfield:u32 netns;\toffset:48;\tsize:4;\tsigned:0;\n"
                       "\tfield:u64 words[10];\toffset:52;\tsize:80;\tsigned:0;\n";
    if (with_bytes) {
        text +=
            "\tfield:u64 page_offset;\toffset:132;\tsize:8;\tsigned:0;\n"
            "\tfield:u64 data[12];\toffset:140;\tsize:96;\tsigned:0;\n";
    }
    return parse_format(text);
}

/// A record as the kernel writes it.
struct Record {
    std::vector<std::byte> bytes;
    explicit Record(std::uint16_t id, std::uint32_t pid = 42) : bytes(id == 901 ? 236 : 132) {
        put(0, id);
        put(4, pid);
    }
    template <typename T>
    Record& put(std::size_t at, T value) {
        std::memcpy(bytes.data() + at, &value, sizeof value);
        return *this;
    }
    Record& point(std::uint32_t number) { return put(16, number); }
    Record& base(std::uint64_t value) { return put(20, value); }
    Record& skb(std::uint64_t address, std::uint64_t next = 0) {
        put(28, address);
        put(36, std::uint64_t{5});
        put(44, std::uint32_t{2});
        put(48, std::uint32_t{4026531840});
        put(52, next);
        put(60, std::uint64_t{0xffff888002000000});  // dev
        put(68, head);
        put(76, head + 64);
        put(84, std::uint32_t{84});                           // len
        put(92, std::uint32_t{148});                          // tail
        put(96, std::uint32_t{704});                          // end
        put(100, static_cast<std::uint16_t>(htons(0x0800)));  // protocol
        put(102, std::uint16_t{78});                          // network header
        put(104, std::uint16_t{64});
        put(106, std::uint16_t{0xffff});
        put(108, std::uint32_t{1});   // users
        put(112, std::uint8_t{0x4});  // ip_summed 2, not cloned
        put(116, std::uint32_t{7});   // mark
        put(124, std::uint64_t{1'790'000'000'123'456'789});
        return *this;
    }
};

KprobeDecoder decoder(std::vector<KprobePoint> points) {
    return {format(false), format(true), layout(), std::move(points)};
}

KprobePoint plain_point(std::uint32_t cookie = 0xff00, std::uint8_t argument = 0,
                        std::uint8_t member = 0) {
    return {function, cookie, argument, member};
}

}  // namespace

TEST_CASE("an sk_buff is read from a kprobe event's bytes") {
    const auto it = decoder({plain_point()});
    const auto sighting = it.decode(Record(900).point(0).skb(0xffff888003000000).bytes);
    REQUIRE(sighting);
    const auto& event = sighting->event;
    CHECK(event.function == function);
    CHECK(event.tid == 42);
    CHECK(event.skb == 0xffff888003000000);
    CHECK(event.extra == 5);
    CHECK(event.head == head);
    CHECK(event.data == head + 64);
    CHECK(event.tail == 148);
    CHECK(event.end == 704);
    CHECK(event.len == 84);
    CHECK(event.ifindex == 2);
    CHECK(event.netns == 4026531840);
    CHECK(event.network_header == 78);
    CHECK(event.ip_summed == 2);
    CHECK(event.mark == 7);
    CHECK(event.tstamp == 1'790'000'000'123'456'789);
    CHECK((event.flags & (SKBTRAIL_EVENT_CLONED | SKBTRAIL_EVENT_SHARED)) == 0);
}

TEST_CASE("what a pointer that is none leads to is not believed") {
    const auto it = decoder({plain_point()});
    // The sk_buff is null, and the record still has what was in the buffer before.
    const auto none = it.decode(Record(900).point(0).skb(0).bytes);
    REQUIRE(none);
    CHECK(none->event.skb == 0);
    CHECK(none->event.head == 0);
    // So is the device's number when the device is scratch space.
    const auto scratch =
        it.decode(Record(900).point(0).skb(0xffff888003000000).put(60, std::uint64_t{768}).bytes);
    REQUIRE(scratch);
    CHECK(scratch->event.ifindex == 0);
    CHECK(scratch->event.netns == 0);
}

TEST_CASE("records that are not of a probe's, or too short, are refused") {
    const auto it = decoder({plain_point()});
    const auto record = Record(900).point(0).skb(0xffff888003000000);
    CHECK(it.decode(record.bytes));
    CHECK_FALSE(it.decode(Record(899).bytes));
    CHECK_FALSE(it.decode(Record(900).point(1).bytes));
    for (std::size_t size = 0; size < record.bytes.size(); ++size) {
        CHECK_FALSE(it.decode(std::span(record.bytes).first(size)));
    }
}

TEST_CASE("packet data is taken from the network header on") {
    const auto it = decoder({plain_point(0xff00 | SKBTRAIL_COOKIE_HEADERS_DONE)});
    auto record = Record(901).point(0).skb(0xffff888003000000);
    record.put(132, std::uint64_t{0xffff888000000000});
    for (std::size_t i = 0; i < 96; ++i) record.put(140 + i, static_cast<std::uint8_t>(i));
    const auto sighting = it.decode(record.bytes);
    REQUIRE(sighting);
    CHECK(sighting->page_offset == 0xffff888000000000);
    CHECK((sighting->event.flags & SKBTRAIL_EVENT_BYTES) != 0);
    CHECK(sighting->event.bytes_used == 70);  // up to tail, 148 - 78
    CHECK(sighting->bytes[0] == 14);          // data begins at 64, the network header at 78
    // Data that begins behind the network header does not hold it.
    record.put(76, head + 98);
    CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_BYTES) == 0);
}

TEST_CASE("where GRO works, the first page has what the linear buffer lacks") {
    auto with_cb = layout();
    with_cb.cb = {0, 64};  // the word where this test's sk_buff has `next`
    const KprobeDecoder it(format(false), format(true), with_cb,
                           {plain_point(0xff00 | SKBTRAIL_COOKIE_GRO)});
    auto record = Record(901).point(0).skb(0xffff888003000000, 0xffff888004000000);
    for (std::size_t i = 0; i < 96; ++i) record.put(140 + i, static_cast<std::uint8_t>(i));
    SECTION("the linear buffer ends where the network header begins") {
        record.put(92, std::uint32_t{78});
        const auto sighting = it.decode(record.bytes);
        REQUIRE(sighting);
        CHECK((sighting->event.flags & SKBTRAIL_EVENT_BYTES) != 0);
        CHECK(sighting->event.bytes_used == 84);  // len
        CHECK(sighting->bytes[1] == 1);
    }
    SECTION("nothing is behind the link layer's header, and the network's is not looked for yet") {
        record.put(92, std::uint32_t{78}).put(102, std::uint16_t{0});
        record.put(76, head + 78);
        const auto sighting = it.decode(record.bytes);
        REQUIRE(sighting);
        CHECK((sighting->event.flags & SKBTRAIL_EVENT_BYTES) != 0);
        CHECK(sighting->bytes[1] == 1);
        record.put(76, head + 64);
        CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_BYTES) == 0);
    }
    SECTION("the linear buffer has it") {
        CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_BYTES) == 0);
    }
    SECTION("GRO has no pointer to a page") {
        record.put(92, std::uint32_t{78}).put(52, std::uint64_t{0});
        CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_BYTES) == 0);
    }
}

TEST_CASE("a socket that no process has is not believed") {
    const auto it = decoder({plain_point(0xff00 | SKBTRAIL_COOKIE_SOCKET)});
    auto record = Record(900).point(0).skb(0xffff888003000000);
    CHECK(it.decode(record.base(0xffff888005000000).bytes)->event.extra == 5);
    CHECK(it.decode(record.base(0xffff888005000000).bytes)->base == 0);
    CHECK(it.decode(record.base(0).bytes)->event.extra == 0);
}

TEST_CASE("a buffer that was never cloned has one owner, who gives it back") {
    const auto it = decoder({plain_point(0xff00 | SKBTRAIL_COOKIE_RELEASES)});
    auto record = Record(900).point(0).skb(0xffff888003000000);
    CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_LAST) != 0);
    record.put(112, std::uint8_t{1});
    CHECK((it.decode(record.bytes)->event.flags & SKBTRAIL_EVENT_LAST) == 0);
}

TEST_CASE("an event that is not as it was defined is refused") {
    auto wrong = format(true);
    const auto at = wrong.text.find("size:96");
    wrong.text.replace(at, 7, "size:48");
    CHECK_THROWS_AS(KprobeDecoder(format(false), wrong, layout(), {}), Failure);
    CHECK_THROWS_AS(KprobeDecoder(wrong, format(false), layout(), {}), Failure);
}

TEST_CASE("a call's sightings come in the order of its arguments and members") {
    const auto sight = [](std::uint8_t argument, std::uint8_t member, std::uint64_t skb,
                          std::uint64_t base = 0, std::uint64_t next = 0) {
        KprobeSighting sighting;
        sighting.event.argument = argument;
        sighting.event.member = member;
        sighting.event.skb = skb;
        sighting.base = base;
        sighting.next = next;
        return sighting;
    };
    SECTION("two arguments") {
        std::vector<KprobeSighting> sightings{sight(1, 0, 22), sight(0, 0, 11)};
        CHECK_FALSE(order_sightings(sightings));
        REQUIRE(sightings.size() == 2);
        CHECK(sightings[0].event.skb == 11);
        CHECK(sightings[1].event.skb == 22);
    }
    SECTION("a list that ends, and comes back to its first member") {
        std::vector<KprobeSighting> sightings{sight(0, 3, 22, 99), sight(0, 2, 99, 99),
                                              sight(0, 1, 33, 99), sight(0, 0, 22, 99)};
        CHECK_FALSE(order_sightings(sightings));
        REQUIRE(sightings.size() == 2);
        CHECK(sightings[0].event.skb == 22);
        CHECK(sightings[1].event.skb == 33);
    }
    SECTION("a list that goes on") {
        std::vector<KprobeSighting> sightings;
        for (std::uint8_t member = 0; member < kprobe_list_members; ++member) {
            sightings.push_back(sight(0, member, 100U + member, 99, 101U + member));
        }
        CHECK(order_sightings(sightings));
        CHECK(sightings.size() == kprobe_list_members);
        sightings.back().next = 99;  // the last one is the last
        CHECK_FALSE(order_sightings(sightings));
    }
    SECTION("an empty list") {
        std::vector<KprobeSighting> sightings{sight(0, 0, 99, 99), sight(0, 1, 99, 99)};
        CHECK_FALSE(order_sightings(sightings));
        REQUIRE(sightings.size() == 1);
        CHECK(sightings[0].event.skb == 0);
        CHECK(sightings[0].event.argument == SKBTRAIL_NO_ARGUMENT);
    }
}

TEST_CASE("definitions fetch what the cookie says") {
    const auto texts = [](std::uint32_t cookie) { return kprobe_texts(cookie, layout(), 0, 7); };
    const auto one = texts(0xff00);
    REQUIRE(one.size() == 1);
    CHECK(one[0].arguments ==
          "point=\\7:u32 base=\\0:x64 skb=%di:x64 extra=\\0:x64 ifindex=+224(+8(%di)):u32 "
          "netns=+128(+280(+8(%di))):u32 words=+0(%di):x64[10]");
    CHECK_FALSE(one[0].with_bytes);

    const auto second = texts(0x1 | SKBTRAIL_SHAPE_SKB_POINTER << 4U | 0x2U << 8U | 0x6U << 12U);
    REQUIRE(second.size() == 2);
    CHECK(second[0].arguments.find("skb=+0(%si):x64") != std::string::npos);
    CHECK(second[0].arguments.find("extra=$stack1:x64") != std::string::npos);
    CHECK(second[1].argument == 2);
    CHECK(second[1].arguments.starts_with("point=\\8:u32 "));
    CHECK(second[1].arguments.find("skb=%dx:x64") != std::string::npos);

    const auto list = texts(0xff00 | SKBTRAIL_SHAPE_LIST << 4U);
    REQUIRE(list.size() == kprobe_list_members);
    CHECK(list[1].arguments.find("base=%di:x64 skb=+0(+0(%di)):x64") != std::string::npos);
    CHECK(list[1].member == 1);

    const auto data = kprobe_texts(0xff00 | SKBTRAIL_COOKIE_HEADERS_DONE, layout(), 0xabc, 0);
    CHECK(data[0].with_bytes);
    CHECK(data[0].arguments.ends_with(" page_offset=@0xabc:x64 data=+0(+24(%di)):x64[12]"));

    auto more = layout();
    more.cb = {320, 64};
    more.sock_socket = {640, 64};
    more.socket_inode = {960, 64};
    const auto gro = kprobe_texts(0xff00 | SKBTRAIL_COOKIE_GRO, more, 0, 0);
    CHECK(gro[0].arguments.ends_with(" data=+0(+40(%di)):x64[12]"));
    const auto socket = kprobe_texts(0x0f01 | SKBTRAIL_COOKIE_SOCKET, more, 0, 0);
    CHECK(socket[0].arguments.find("base=+80(%di):x64 skb=%si:x64 extra=+120(+80(%di)):x64") !=
          std::string::npos);

    CHECK(texts(0xff0f | SKBTRAIL_COOKIE_CONTEXT).empty());
}

TEST_CASE("bit fields are read where they lie") {
    const std::vector<std::byte> bytes{std::byte{0xa5}, std::byte{0x3c}, std::byte{0xff}};
    CHECK(read_member(bytes, {0, 8}) == 0xa5);
    CHECK(read_member(bytes, {4, 8}) == 0xca);
    CHECK(read_member(bytes, {9, 2}) == 2);
    CHECK(read_member(bytes, {8, 16}) == 0xff3c);
    CHECK(read_member(bytes, {16, 16}) == 0);  // reaches too far
    CHECK(read_member(bytes, {0, 0}) == 0);
}
