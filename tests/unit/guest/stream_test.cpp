#include "guest/stream.h"

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/cache.h"
#include "temporary.h"

using namespace skbtrail::guest;
using Kind = StreamError::Kind;

namespace {

/// One message of every type, with bodies that look like headers.
std::vector<Message> one_of_each() {
    return {
        PhaseMessage{.name = "waiting", .uptime_ms = 3119, .step = {}, .status = {}},
        PhaseMessage{.name = "booted", .uptime_ms = 3120, .step = {}, .status = {}},
        PhaseMessage{.name = "step started", .uptime_ms = 3301, .step = "prepare", .status = {}},
        OutputMessage{.step = "prepare",
                      .stream = OutputMessage::Stream::standard_error,
                      .bytes = "{\"type\":\"end\",\"status\":0}\n"},
        OutputMessage{.step = "prepare", .bytes = {}},
        PhaseMessage{.name = "step ended",
                     .uptime_ms = 3410,
                     .step = "prepare",
                     .status = 143,
                     .deadline_passed = true},
        CollectorMessage{.step = "exercise",
                         .status = {{"event", "attached"}, {"functions", 7250}}},
        FileMessage{
            .name = "recording.json", .step = "exercise", .bytes = std::string("\0\n\xff{}", 5)},
        NoticeMessage{"truncated"},
        ErrorMessage{"the step failed"},
        EndMessage{1},
    };
}

/// What a writer makes of messages.
std::string encode(const std::vector<Message>& messages) {
    const TemporaryDirectory directory;
    const std::string path = directory / "stream";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    StreamWriter writer(file);
    for (const Message& message : messages) {
        REQUIRE(writer.send(message) == 0);
    }
    ::close(file);
    return read_file(path);
}

/// All that can be decoded so far; the test fails on an error.
std::vector<Message> decode_all(StreamDecoder& decoder) {
    std::vector<Message> messages;
    while (true) {
        auto message = decoder.next();
        REQUIRE(message.has_value());
        if (!*message) {
            return messages;
        }
        messages.push_back(std::move(**message));
    }
}

/// The error that `text` leads to, after whatever good messages stand before it.
StreamError error_of(std::string_view text) {
    StreamDecoder decoder;
    decoder.feed(text);
    while (true) {
        auto message = decoder.next();
        if (!message) {
            // The first error is final.
            decoder.feed("{\"type\":\"end\",\"status\":0}\n");
            REQUIRE(!decoder.next().has_value());
            return message.error();
        }
        REQUIRE(message->has_value());
    }
}

}  // namespace

TEST_CASE("every message arrives as it was sent, however the stream is divided") {
    const std::vector<Message> sent = one_of_each();
    const std::string bytes = encode(sent);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        StreamDecoder decoder;
        decoder.feed(std::string_view(bytes).substr(0, cut));
        std::vector<Message> got = decode_all(decoder);
        decoder.feed(std::string_view(bytes).substr(cut));
        for (Message& message : decode_all(decoder)) {
            got.push_back(std::move(message));
        }
        REQUIRE(got == sent);
        REQUIRE(decoder.ended());
        REQUIRE(decoder.finish().has_value());
    }
}

TEST_CASE("a stream that arrives byte by byte is the same stream") {
    const std::vector<Message> sent = one_of_each();
    StreamDecoder decoder;
    std::vector<Message> got;
    for (const char byte : encode(sent)) {
        decoder.feed({&byte, 1});
        for (Message& message : decode_all(decoder)) {
            got.push_back(std::move(message));
        }
    }
    CHECK(got == sent);
}

TEST_CASE("a stream cut short anywhere is known to be incomplete") {
    const std::string bytes = encode(one_of_each());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        StreamDecoder decoder;
        decoder.feed(std::string_view(bytes).substr(0, cut));
        decode_all(decoder);
        const auto finished = decoder.finish();
        REQUIRE(!finished.has_value());
        REQUIRE(finished.error().kind == Kind::ended_early);
    }
}

TEST_CASE("hostile headers are typed errors") {
    struct Case {
        std::string text;
        Kind kind;
    };
    const std::string deep(2000, '[');
    const auto test = GENERATE_COPY(from_range(std::vector<Case>{
        {"\n", Kind::not_json},
        {"hello\n", Kind::not_json},
        {"[]\n", Kind::not_json},
        {"null\n", Kind::not_json},
        {"{\"type\":\"end\",\"status\":0\n", Kind::not_json},
        {"{\"type\":\"end\",\"status\":0}}\n", Kind::not_json},
        {std::string("{\"type\":\"error\",\"message\":\"\xff\xfe\"}\n"), Kind::not_json},
        {"{\"type\":\"error\",\"message\":\"m\",\"x\":" + deep + std::string(2000, ']') + "}\n",
         Kind::not_json},
        {deep + "\n", Kind::not_json},
        {"{}\n", Kind::unknown_type},
        {"{\"type\":7}\n", Kind::unknown_type},
        {"{\"type\":\"exec\"}\n", Kind::unknown_type},
        {"{\"type\":\"end\"}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":\"0\"}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":-1}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":256}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":1.5}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":99999999999999999999}\n", Kind::bad_member},
        {"{\"type\":\"end\",\"status\":0,\"bytes\":3}\n", Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"lunch\",\"uptime_ms\":1}\n", Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"booted\"}\n", Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"booted\",\"uptime_ms\":-1}\n", Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"step started\",\"uptime_ms\":1}\n", Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"step ended\",\"step\":\"a\",\"uptime_ms\":1}\n",
         Kind::bad_member},
        {"{\"type\":\"phase\",\"name\":\"step ended\",\"step\":\"a\",\"uptime_ms\":1,"
         "\"status\":0,\"deadline_passed\":1}\n",
         Kind::bad_member},
        {"{\"type\":\"collector\",\"step\":\"a\",\"status\":[]}\n", Kind::bad_member},
        {"{\"type\":\"collector\",\"step\":\"a\",\"status\":{\"event\":1}}\n", Kind::bad_member},
        {"{\"type\":\"output\",\"step\":\"a\",\"stream\":\"stdlog\",\"bytes\":1}\n",
         Kind::bad_member},
        {"{\"type\":\"output\",\"step\":\"a\",\"stream\":\"stdout\"}\n", Kind::bad_member},
        {"{\"type\":\"output\",\"step\":\"a\",\"stream\":\"stdout\",\"bytes\":-1}\n",
         Kind::bad_member},
        {"{\"type\":\"output\",\"step\":\"a\",\"stream\":\"stdout\",\"bytes\":1048577}\n",
         Kind::body_too_long},
        {"{\"type\":\"file\",\"name\":\"\",\"bytes\":1}\n", Kind::bad_member},
        {"{\"type\":\"file\",\"name\":\"f\",\"bytes\":\"1\"}\n", Kind::bad_member},
        {"{\"type\":\"file\",\"name\":\"f\",\"bytes\":1073741825}\n", Kind::body_too_long},
        {"{\"type\":\"file\",\"name\":\"f\",\"bytes\":18446744073709551615}\n",
         Kind::body_too_long},
        {"{\"type\":\"end\",\"status\":0}\n{\"type\":\"end\",\"status\":0}\n", Kind::after_end},
        {"{\"type\":\"end\",\"status\":0}\n ", Kind::after_end},
        {std::string(StreamDecoder::header_limit, 'x'), Kind::header_too_long},
        {std::string(StreamDecoder::header_limit + 9, 'x') + "\n", Kind::header_too_long},
    }));
    CAPTURE(test.text.substr(0, 100));
    const StreamError error = error_of(test.text);
    CHECK(error.kind == test.kind);
    CHECK(error.message.starts_with("The guest's stream is not valid at byte "));
    for (const char character : error.message) {
        REQUIRE((character >= ' ' || static_cast<unsigned char>(character) >= 0x80));
    }
}

TEST_CASE("an error names its place") {
    const std::string good = "{\"type\":\"notice\",\"message\":\"m\"}\n";
    CHECK(error_of(good + "?\n").message.find("at byte " + std::to_string(good.size()) + ":") !=
          std::string::npos);
}

TEST_CASE("what a program wrote is made presentable, not refused") {
    const std::string bytes = encode({NoticeMessage{"bad \xff byte\nand a line"}, EndMessage{}});
    StreamDecoder decoder;
    decoder.feed(bytes);
    CHECK(std::get<NoticeMessage>(decode_all(decoder).front()).message ==
          "bad \xef\xbf\xbd byte\nand a line");
}

TEST_CASE("a slow reader gets every byte") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    const Message big = FileMessage{.name = "f", .step = {}, .bytes = std::string(3 << 20, 'z')};
    int sent = -1;
    std::thread writing([&] {
        StreamWriter writer(ends[0]);
        sent = writer.send(big);
        ::close(ends[0]);
    });
    StreamDecoder decoder;
    std::array<char, 7001> chunk;
    for (ssize_t count; (count = ::read(ends[1], chunk.data(), chunk.size())) > 0;) {
        decoder.feed({chunk.data(), static_cast<std::size_t>(count)});
    }
    writing.join();
    ::close(ends[1]);
    CHECK(sent == 0);
    CHECK(decode_all(decoder) == std::vector<Message>{big});
}

TEST_CASE("a job is sent with its length in front, and nothing else passes for one") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const std::string archive = "070701\nnot a header\n";
    CHECK(StreamWriter(ends[0]).send_job(archive) == 0);
    ::close(ends[0]);
    std::string all(1000, '\0');
    const auto got = ::recv(ends[1], all.data(), all.size(), MSG_WAITALL);
    ::close(ends[1]);
    REQUIRE(got > 0);
    all.resize(static_cast<std::size_t>(got));
    const auto line = all.substr(0, all.find('\n'));
    CHECK(parse_job_header(line) == archive.size());
    CHECK(all.substr(line.size() + 1) == archive);

    for (const char* wrong :
         {"", "{", "[]", "7", R"({"type":"job"})", R"({"type":"file","bytes":1})",
          R"({"type":"job","bytes":0})", R"({"type":"job","bytes":-1})",
          R"({"type":"job","bytes":"1"})", R"({"type":"job","bytes":1e3})",
          R"({"type":"job","bytes":1073741825})", R"({"bytes":1})"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_job_header(wrong));
    }
}

TEST_CASE("a reader that takes nothing is given up, for good") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    StreamWriter writer(ends[0], /*patience_ms=*/50);
    const OutputMessage flood{.step = "s", .bytes = std::string(1 << 20, 'z')};
    int error = 0;
    for (int i = 0; i < 10 && error == 0; ++i) {
        error = writer.send(flood);
    }
    CHECK(error == ETIMEDOUT);
    CHECK(writer.send(EndMessage{}) == ETIMEDOUT);
    CHECK(writer.failure() == ETIMEDOUT);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("files are sent whole, and what is no file is refused before anything is sent") {
    const TemporaryDirectory directory;
    const std::string content(200'000, 'r');
    write_file_atomically(directory / "f", content);
    const std::string path = directory / "stream";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    StreamWriter writer(file);
    CHECK(writer.send_file(directory / "nosuch", "n") == ENOENT);
    CHECK(writer.send_file(directory.path(), "n") == EINVAL);
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    CHECK(writer.send_file(directory / "fifo", "n") == EINVAL);
    CHECK(writer.send_file(directory / "f", "recording.json", "exercise") == 0);
    CHECK(writer.send_file("/dev/null", "n") == EINVAL);
    CHECK(writer.failure() == 0);
    ::close(file);
    StreamDecoder decoder;
    decoder.feed(read_file(path));
    CHECK(decode_all(decoder) ==
          std::vector<Message>{
              FileMessage{.name = "recording.json", .step = "exercise", .bytes = content}});
}
