// Messages as bytes: headers, payloads, descriptors, pieces.

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/vhost_user/message_rules.h"
#include "device/vhost_user/message_socket.h"
#include "device/vhost_user/protocol.h"
#include "tests/unit/device/fake_front_end.h"
#include "tests/unit/device/guest_ram.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace skbtrail::device::vhost_user;

namespace {

struct Line {
    Line() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("socketpair");
        }
        peer.reset(ends[0]);
        socket.emplace(UniqueFd(ends[1]));
    }
    Message must_receive() {
        auto received = socket->receive();
        REQUIRE(std::holds_alternative<Message>(received));
        return std::get<Message>(std::move(received));
    }
    std::string must_break() {
        auto received = socket->receive();
        REQUIRE(std::holds_alternative<MessageSocket::Broken>(received));
        return std::get<MessageSocket::Broken>(received).reason;
    }

    UniqueFd peer;
    std::optional<MessageSocket> socket;
};

}  // namespace

TEST_CASE("codec: a message in one piece", "[device][vhost_user]") {
    Line line;
    send_raw(line.peer.get(), encode(5, pattern(20), flag_version | flag_need_reply), {0, 1});
    const Message message = line.must_receive();
    CHECK(message.request == 5);
    CHECK(message.need_reply);
    CHECK(message.payload == pattern(20));
    CHECK(message.fds.size() == 2);
    CHECK((::fcntl(message.fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(std::holds_alternative<MessageSocket::NotYet>(line.socket->receive()));
}

TEST_CASE("codec: a message in pieces of any size", "[device][vhost_user]") {
    const std::size_t piece = GENERATE(1u, 2u, 5u, 11u, 12u, 13u, 31u);
    Line line;
    const auto bytes = encode(2, pattern(20));
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        CHECK(std::holds_alternative<MessageSocket::NotYet>(line.socket->receive()));
        // The descriptor comes with the first byte, as the kernel delivers it.
        send_raw(line.peer.get(), std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)),
                 at == 0 ? std::vector<int>{0} : std::vector<int>{});
    }
    const Message message = line.must_receive();
    CHECK(message.payload == pattern(20));
    CHECK(message.fds.size() == 1);
}

TEST_CASE("codec: messages behind each other are not mixed", "[device][vhost_user]") {
    Line line;
    auto bytes = encode(1, {});
    const auto second = encode(2, pattern(8));
    bytes.insert(bytes.end(), second.begin(), second.end());
    send_raw(line.peer.get(), bytes);
    send_raw(line.peer.get(), encode(3, {}), {0});
    CHECK(line.must_receive().request == 1);
    const Message message = line.must_receive();
    CHECK(message.request == 2);
    CHECK(message.fds.empty());
    CHECK(line.must_receive().fds.size() == 1);
}

TEST_CASE("codec: a front end that leaves, after every byte of a message", "[device][vhost_user]") {
    const auto bytes = encode(2, pattern(8));
    for (std::size_t sent = 0; sent <= bytes.size(); ++sent) {
        Line line;
        if (sent > 0) {
            send_raw(line.peer.get(), std::span(bytes).first(sent), {0});
        }
        line.peer.reset();
        auto received = line.socket->receive();
        if (sent == bytes.size()) {
            CHECK(std::holds_alternative<Message>(received));
            received = line.socket->receive();
        }
        REQUIRE(std::holds_alternative<MessageSocket::Closed>(received));
        CHECK(std::get<MessageSocket::Closed>(received).in_message ==
              (sent > 0 && sent < bytes.size()));
    }
}

TEST_CASE("codec: headers that are none end the stream", "[device][vhost_user][hostile]") {
    struct Bad {
        Header header;
        const char* says;
    };
    const std::vector<Bad> all = {
        {{1, 0, 0}, "version 0"},
        {{1, 2, 0}, "version 2"},
        {{1, 3, 0}, "version 3"},
        {{1, flag_version | flag_reply, 0}, "a reply"},
        {{1, flag_version | 0x10, 0}, "unknown flags 0x10"},
        {{1, 0xfffffff9, 0}, "unknown flags"},
        {{1, flag_version, max_payload + 1}, "claims a payload"},
        {{1, flag_version, 0xffffffff}, "claims a payload of 4294967295"},
    };
    for (const Bad& bad : all) {
        DYNAMIC_SECTION(bad.says) {
            Line line;
            send_raw(line.peer.get(), std::as_bytes(std::span(&bad.header, 1)));
            CHECK(line.must_break().find(bad.says) != std::string::npos);
        }
    }
    CHECK(validate(Header{1, flag_version, max_payload}));
    CHECK(validate(Header{1, flag_version | flag_need_reply, 0}));
}

TEST_CASE("codec: surplus descriptors are seen, and closed", "[device][vhost_user][hostile]") {
    const std::size_t before = open_descriptors();
    {
        Line line;
        const std::vector<int> many(200, 0);
        send_raw(line.peer.get(), encode(1, {}), many);
        {
            const Message message = line.must_receive();
            CHECK(message.fds.size() == 200);
        }
        SECTION("with each piece of a message") {
            const auto bytes = encode(2, pattern(8));
            send_raw(line.peer.get(), std::span(bytes).first(1), many);
            send_raw(line.peer.get(), std::span(bytes).subspan(1, 1), many);
            CHECK(line.must_break().find("more than") != std::string::npos);
        }
        SECTION("with a message that is never finished") {
            send_raw(line.peer.get(), std::span<const std::byte>(encode(2, pattern(8))).first(3),
                     many);
            CHECK(std::holds_alternative<MessageSocket::NotYet>(line.socket->receive()));
        }
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("codec: replies", "[device][vhost_user]") {
    Line line;
    REQUIRE(line.socket->reply(17, to_payload(std::uint64_t{0x1122334455667788})));
    std::array<std::byte, 64> bytes{};
    REQUIRE(::recv(line.peer.get(), bytes.data(), bytes.size(), 0) == 20);
    const auto header = read_payload<Header>(bytes);
    CHECK(header.request == 17);
    CHECK(header.flags == (flag_version | flag_reply));
    CHECK(header.size == 8);
    CHECK(read_payload<std::uint64_t>(std::span(bytes).subspan(12)) == 0x1122334455667788);

    REQUIRE(line.socket->reply(24, {}));
    CHECK(::recv(line.peer.get(), bytes.data(), bytes.size(), 0) == 12);
}

TEST_CASE("codec: a front end that reads no replies, or is gone", "[device][vhost_user][hostile]") {
    Line line;
    Result<> sent;
    for (int i = 0; i < 1'000'000 && sent; ++i) {
        sent = line.socket->reply(1, to_payload(std::uint64_t{0}));
    }
    REQUIRE_FALSE(sent);
    CHECK(sent.error().message.find("does not read") != std::string::npos);
    line.peer.reset();
    CHECK_FALSE(line.socket->reply(1, to_payload(std::uint64_t{0})));  // and no SIGPIPE
}

TEST_CASE("codec: every request has a rule, and only those", "[device][vhost_user]") {
    std::set<std::string> names;
    for (const MessageRule& rule : message_rules()) {
        CHECK(find_rule(static_cast<std::uint32_t>(rule.request)) == &rule);
        CHECK(names.insert(rule.name).second);
        CHECK(rule.least_payload <= rule.most_payload);
        CHECK(rule.most_payload <= max_payload);
        CHECK(rule.least_fds <= rule.most_fds);
        CHECK(rule.most_fds <= max_fds);
    }
    CHECK(names.size() == 40);
    CHECK(find_rule(0) == nullptr);
    CHECK(find_rule(41) == nullptr);
    CHECK(find_rule(0xffffffff) == nullptr);
}

TEST_CASE("codec: the shape of each request, one off on every side", "[device][vhost_user]") {
    for (const MessageRule& rule : message_rules()) {
        INFO(rule.name);
        CHECK(check_shape(rule, rule.least_payload, rule.least_fds));
        CHECK(check_shape(rule, rule.most_payload, rule.most_fds));
        CHECK_FALSE(check_shape(rule, rule.most_payload + 1, rule.least_fds));
        CHECK_FALSE(check_shape(rule, rule.least_payload, rule.most_fds + 1));
        if (rule.least_payload > 0) {
            CHECK_FALSE(check_shape(rule, rule.least_payload - 1, rule.least_fds));
            CHECK_FALSE(check_shape(rule, 0, rule.least_fds));
        }
        if (rule.least_fds > 0) {
            CHECK_FALSE(check_shape(rule, rule.least_payload, rule.least_fds - 1));
        }
    }
}

TEST_CASE("codec: descriptors of rings", "[device][vhost_user]") {
    CHECK(parse_vring_file(3, 1)->index == 3);
    CHECK_FALSE(parse_vring_file(3, 1)->no_fd);
    CHECK(parse_vring_file(0x1ff, 0)->index == 255);
    CHECK(parse_vring_file(0x1ff, 0)->no_fd);
    CHECK_FALSE(parse_vring_file(0x100, 1));
    CHECK_FALSE(parse_vring_file(0, 0));
    CHECK_FALSE(parse_vring_file(0x200, 1));
    CHECK_FALSE(parse_vring_file(std::uint64_t{1} << 63, 1));
}

TEST_CASE("codec: memory tables", "[device][vhost_user]") {
    const auto table = [](std::uint32_t count, std::size_t regions) {
        std::vector<std::byte> payload(memory_table_header + regions * sizeof(MemoryRegion));
        std::memcpy(payload.data(), &count, sizeof count);
        for (std::size_t i = 0; i < regions; ++i) {
            const MemoryRegion region{i, 2, 3, 4};
            std::memcpy(payload.data() + memory_table_header + i * sizeof region, &region,
                        sizeof region);
        }
        return payload;
    };
    const auto two = parse_memory_table(table(2, 2), 2);
    REQUIRE(two);
    CHECK((*two)[1].guest_address == 1);
    CHECK((*two)[1].offset == 4);
    CHECK(parse_memory_table(table(0, 0), 0)->empty());
    CHECK(parse_memory_table(table(8, 8), 8)->size() == 8);
    CHECK(parse_memory_table(table(1, 2), 1)->size() == 1);  // UML's fixed array
    CHECK_FALSE(parse_memory_table(table(9, 8), 8));
    CHECK_FALSE(parse_memory_table(table(0xffffffff, 8), 8));
    CHECK_FALSE(parse_memory_table(table(3, 2), 3));
    CHECK_FALSE(parse_memory_table(table(2, 2), 1));
    CHECK_FALSE(parse_memory_table(table(2, 2), 3));
    auto short_by_one = table(2, 2);
    short_by_one.pop_back();
    CHECK_FALSE(parse_memory_table(short_by_one, 2));
}

TEST_CASE("codec: ring addresses", "[device][vhost_user]") {
    CHECK(validate(VringAddress{0, 0, 1, 2, 3, 4}, false));
    CHECK_FALSE(validate(VringAddress{0, vring_flag_log, 1, 2, 3, 4}, false));
    CHECK(validate(VringAddress{0, vring_flag_log, 1, 2, 3, 4}, true));
    CHECK_FALSE(validate(VringAddress{0, 2, 1, 2, 3, 4}, true));
    CHECK_FALSE(validate(VringAddress{0, 0x80000000, 1, 2, 3, 4}, true));
}

TEST_CASE("codec: configuration", "[device][vhost_user]") {
    const auto config = [](ConfigHeader header, std::size_t bytes) {
        std::vector<std::byte> payload(sizeof header + bytes);
        std::memcpy(payload.data(), &header, sizeof header);
        return payload;
    };
    CHECK(parse_config(config({2, 10, 0}, 10))->offset == 2);
    CHECK(parse_config(config({0, 0, 1}, 0)));
    CHECK_FALSE(parse_config(config({0, 10, 0}, 9)));
    CHECK_FALSE(parse_config(config({0, 10, 0}, 11)));
    CHECK_FALSE(parse_config(config({0, 0xffffffff, 0}, 11)));
    CHECK_FALSE(parse_config(config({0, 1, 2}, 1)));
}

TEST_CASE("codec: protocol features have names", "[device][vhost_user]") {
    CHECK(describe_protocol_features(protocol_mq | protocol_reply_ack | protocol_status) ==
          "mq reply_ack status");
    CHECK(describe_protocol_features(std::uint64_t{1} << 63) == "bit 63");
    CHECK(describe_protocol_features(0).empty());
}
