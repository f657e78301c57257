// Captures, read back with libpcap.
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/capture.h"
#include "tests/unit/device/log_catcher.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;

namespace {

struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("skbtrail-capture-{}", ::getpid());
    Folder() { std::filesystem::create_directory(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return (path / name).string(); }
};

struct Packet {
    std::int64_t nanoseconds;
    std::vector<std::byte> bytes;
};

/// Every packet of the file. Fails the test when the file ends in the middle of one.
std::vector<Packet> read_back(const std::string& path) {
    std::array<char, PCAP_ERRBUF_SIZE> error{};
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> pcap(
        ::pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO,
                                                  error.data()),
        [](pcap_t* handle) {
            if (handle != nullptr) {
                ::pcap_close(handle);
            }
        });
    INFO(error.data());
    REQUIRE(pcap);
    CHECK(::pcap_datalink(pcap.get()) == DLT_EN10MB);
    std::vector<Packet> packets;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    int result = 0;
    while ((result = ::pcap_next_ex(pcap.get(), &header, &data)) == 1) {
        const auto bytes = std::as_bytes(std::span(data, header->caplen));
        packets.push_back({header->ts.tv_sec * std::int64_t{1'000'000'000} + header->ts.tv_usec,
                           {bytes.begin(), bytes.end()}});
        CHECK(header->len == header->caplen);
    }
    INFO(::pcap_geterr(pcap.get()));
    CHECK(result == PCAP_ERROR_BREAK);  // the end of the file, in libpcap's words
    return packets;
}

std::vector<std::byte> frame(std::size_t size, int mark) {
    return std::vector<std::byte>(size, std::byte(mark));
}

std::int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

TEST_CASE("frames of both directions are read back, with nanoseconds", "[capture]") {
    const Folder folder;
    const std::string path = folder.file("both.pcap");
    const auto before = wall_clock();
    {
        Capture capture(path);
        capture.record(Capture::Direction::from_guest, frame(60, 1));
        capture.record(Capture::Direction::to_guest, frame(1514, 2));
        capture.record(Capture::Direction::to_guest, frame(65549, 3));
        capture.record(Capture::Direction::from_guest, {});
        CHECK(capture.recorded() == 4);
        CHECK_FALSE(capture.stopped());
    }
    const auto after = wall_clock();
    const auto packets = read_back(path);
    REQUIRE(packets.size() == 4);
    CHECK(packets[0].bytes == frame(60, 1));
    CHECK(packets[1].bytes == frame(1514, 2));
    CHECK(packets[2].bytes == frame(65549, 3));
    CHECK(packets[3].bytes.empty());
    std::int64_t last = before;
    for (const auto& packet : packets) {
        CHECK(packet.nanoseconds >= last);
        last = packet.nanoseconds;
    }
    CHECK(last <= after);
}

TEST_CASE("a flushed capture can be read while it grows", "[capture]") {
    const Folder folder;
    const std::string path = folder.file("growing.pcap");
    Capture capture(path);
    CHECK(read_back(path).empty());  // the header is there from the start
    capture.record(Capture::Direction::from_guest, frame(60, 1));
    capture.flush();
    CHECK(read_back(path).size() == 1);
    capture.flush();
    CHECK(read_back(path).size() == 1);
    // More than the buffer holds.
    for (int i = 0; i < 1000; ++i) {
        capture.record(Capture::Direction::from_guest, frame(1514, 1));
    }
    capture.flush();
    CHECK(read_back(path).size() == 1001);
}

TEST_CASE("an older file is emptied first", "[capture]") {
    const Folder folder;
    const std::string path = folder.file("old.pcap");
    std::ofstream(path) << std::string(10'000, 'x');
    Capture(path).record(Capture::Direction::from_guest, frame(60, 1));
    CHECK(read_back(path).size() == 1);
}

TEST_CASE("a path that cannot be written is told with its reason", "[capture]") {
    CHECK_THROWS_WITH(
        Capture("/nowhere/at/all.pcap"),
        ContainsSubstring("cannot write the capture \"/nowhere/at/all.pcap\": No such "
                          "file or directory"));
    const Folder folder;
    CHECK_THROWS_WITH(Capture(folder.path.string()), ContainsSubstring("Is a directory"));
    if (std::filesystem::exists("/dev/full")) {
        CHECK_THROWS_WITH(Capture("/dev/full"), ContainsSubstring("No space left on device"));
    }
}

TEST_CASE("when the disk is full the capture stops at a whole frame and the NIC lives",
          "[capture]") {
    const Folder folder;
    const std::string path = folder.file("full.pcap");
    // A limit on the size of files stands for a disk's; the signal it sends is not a disk's habit.
    struct LimitedFiles {
        rlimit before{};
        sighandler_t handler = std::signal(SIGXFSZ, SIG_IGN);
        explicit LimitedFiles(rlim_t bytes) {
            ::getrlimit(RLIMIT_FSIZE, &before);
            rlimit limited = before;
            limited.rlim_cur = bytes;
            ::setrlimit(RLIMIT_FSIZE, &limited);
        }
        ~LimitedFiles() {
            ::setrlimit(RLIMIT_FSIZE, &before);
            std::signal(SIGXFSZ, handler);
        }
    };
    test::LogCatcher log;
    Capture capture(path);
    {
        const LimitedFiles limited(100'000);
        for (int i = 0; i < 300; ++i) {
            capture.record(Capture::Direction::from_guest, frame(1000, i));
            if (i % 10 == 9) {
                capture.flush();
            }
        }
    }
    CHECK(capture.stopped());
    CHECK(capture.recorded() == 98);  // 24 + 98 × 1016 bytes
    CHECK(capture.lost() == 202);
    const auto packets = read_back(path);
    CHECK(packets.size() == 98);
    // It stays stopped, and says nothing more.
    capture.record(Capture::Direction::from_guest, frame(1000, 1));
    capture.flush();
    CHECK(capture.lost() == 203);
    CHECK(log.count("has stopped after 98 frames: File too large") == 1);
    CHECK(log.count("error") == 1);
}

namespace {

/// A named pipe whose reader reads when it is told to.
struct SlowReader {
    explicit SlowReader(const std::string& path) {
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        fd.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        REQUIRE(fd);
    }
    /// What is there.
    void read() {
        std::array<char, 65536> piece{};
        for (ssize_t got = 0; (got = ::read(fd.get(), piece.data(), piece.size())) > 0;) {
            text.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    UniqueFd fd;
    std::string text;
};

}  // namespace

TEST_CASE("a capture into a pipe waits for no reader, and goes on when one reads", "[capture]") {
    const Folder folder;
    const std::string name = GENERATE("pipe.pcap", "pipe.pcapng");
    SlowReader reader(folder.file(name));
    EventLoop loop;
    test::LogCatcher log;
    constexpr std::uint64_t frames = 8000;
    std::uint64_t recorded = 0;
    {
        Capture capture(folder.file(name), &loop);
        const auto before = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < frames; ++i) {
            capture.record(Capture::Direction::from_guest, frame(1000, static_cast<int>(i)));
            if (i % 100 == 0) {
                capture.flush();
                loop.turn(std::chrono::milliseconds(0));
            }
        }
        CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
        CHECK_FALSE(capture.stopped());
        CHECK(capture.lost() > 0);
        CHECK(capture.recorded() + capture.lost() == frames);
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));  // asleep, not spinning
        // The loop alone hands the reader what waits.
        do {
            reader.read();
        } while (loop.turn(std::chrono::milliseconds(20)));
        const std::uint64_t lost = capture.lost();
        capture.record(Capture::Direction::to_guest, frame(60, 1));
        CHECK(capture.lost() == lost);
        recorded = capture.recorded();
    }
    reader.read();
    std::ofstream(folder.file("copy")) << reader.text;
    const auto packets = read_back(folder.file("copy"));
    CHECK(packets.size() == recorded);
    CHECK(packets.back().bytes == frame(60, 1));
    CHECK(log.count("does not keep up") == 1);
    CHECK(log.count(fmt::format("{} of {} frames are not in the capture", frames + 1 - recorded,
                                frames + 1)) == 1);
}

TEST_CASE("a capture whose reader leaves has ended, and says so once", "[capture]") {
    const auto before = std::signal(SIGPIPE, SIG_IGN);  // as the program has it
    const Folder folder;
    SlowReader reader(folder.file("pipe"));
    EventLoop loop;
    test::LogCatcher log;
    {
        Capture capture(folder.file("pipe"), &loop);
        const bool in_the_middle = GENERATE(true, false);
        if (in_the_middle) {
            for (int i = 0; i < 200; ++i) {
                capture.record(Capture::Direction::from_guest, frame(1000, i));
            }
            capture.flush();
        }
        reader.fd.reset();
        for (int i = 0; i < 5; ++i) {
            loop.turn(std::chrono::milliseconds(0));
        }
        CHECK(capture.stopped());
        for (int i = 0; i < 5; ++i) {
            capture.record(Capture::Direction::from_guest, frame(60, i));
            capture.flush();
        }
        CHECK(capture.lost() >= 5);
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    }
    CHECK(log.count("has stopped after") == 1);
    CHECK(log.count("Broken pipe") == 1);
    CHECK(log.count("error") + log.count("warning") == 1);
    std::signal(SIGPIPE, before);
}

TEST_CASE("a capture whose reader stands still ends all the same", "[capture]") {
    const Folder folder;
    const SlowReader reader(folder.file("pipe"));
    test::LogCatcher log;
    const auto before = std::chrono::steady_clock::now();
    {
        Capture capture(folder.file("pipe"));
        for (int i = 0; i < 500; ++i) {
            capture.record(Capture::Direction::from_guest, frame(1000, i));
        }
    }
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
    CHECK(log.count("of 500 frames are not in the capture") == 1);
}

namespace {

/// A block of a pcapng file, taken apart.
struct PcapngBlock {
    std::uint32_t type = 0;
    std::vector<std::byte> body;
};

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at, std::size_t size = 4) {
    std::uint32_t value = 0;
    REQUIRE(at + size <= bytes.size());
    std::memcpy(&value, bytes.data() + at, size);
    return value;
}

std::vector<PcapngBlock> read_blocks(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto bytes = std::as_bytes(std::span(text));
    std::vector<PcapngBlock> blocks;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::uint32_t length = number_at(bytes, at + 4);
        REQUIRE(length % 4 == 0);
        REQUIRE(length >= 12);
        REQUIRE(at + length <= bytes.size());
        CHECK(number_at(bytes, at + length - 4) == length);
        const auto body = bytes.subspan(at + 8, length - 12);
        blocks.push_back({number_at(bytes, at), {body.begin(), body.end()}});
        at += length;
    }
    return blocks;
}

/// The value of an option; `from` is where a block's options begin.
std::string option_of(const PcapngBlock& block, std::size_t from, std::uint32_t code) {
    for (std::size_t at = from; at + 4 <= block.body.size();) {
        const std::uint32_t found = number_at(block.body, at, 2);
        const std::uint32_t length = number_at(block.body, at + 2, 2);
        if (found == 0) {
            CHECK(at + 4 == block.body.size());
            break;
        }
        REQUIRE(at + 4 + length <= block.body.size());
        if (found == code) {
            return {reinterpret_cast<const char*>(block.body.data()) + at + 4, length};
        }
        at += 4 + (length + 3) / 4 * 4;
    }
    return "";
}

}  // namespace

TEST_CASE("pcapng has directions, queues and comments", "[capture]") {
    const Folder folder;
    const std::string path = folder.file("both.pcapng");
    const std::int64_t before = wall_clock();
    {
        Capture capture(path);
        CHECK(capture.takes_comments());
        capture.record(Capture::Direction::from_guest, frame(61, 1), 1, "from the guest");
        capture.record(Capture::Direction::to_guest, frame(64, 2), 2, "");
        capture.record(Capture::Direction::to_guest, frame(65'557, 3), 0,
                       std::string(70'000, 'x') + "\u00fc");
    }
    const auto blocks = read_blocks(path);
    REQUIRE(blocks.size() == 5);
    CHECK(blocks[0].type == 0x0a0d0d0a);
    CHECK(number_at(blocks[0].body, 0) == 0x1a2b3c4d);
    CHECK(option_of(blocks[0], 16, 4).starts_with("skbtrail-nic "));
    CHECK(blocks[1].type == 1);
    CHECK(number_at(blocks[1].body, 0, 2) == 1);  // Ethernet
    CHECK(option_of(blocks[1], 8, 9) == "\x09");
    struct Expected {
        std::size_t size;
        std::string comment;
        unsigned direction;
        unsigned queue;
    };
    const std::vector<Expected> expected{
        {61, "from the guest", 2, 1}, {64, "", 1, 2}, {65'557, std::string(65'532, 'x'), 1, 0}};
    for (std::size_t i = 0; i < 3; ++i) {
        const PcapngBlock& block = blocks[2 + i];
        CHECK(block.type == 6);
        CHECK(number_at(block.body, 12) == expected[i].size);
        CHECK(number_at(block.body, 16) == expected[i].size);
        const std::size_t options = 20 + (expected[i].size + 3) / 4 * 4;
        CHECK(option_of(block, options, 1) == expected[i].comment);
        const std::string flags = option_of(block, options, 2);
        REQUIRE(flags.size() == 4);
        CHECK(number_at(std::as_bytes(std::span(flags)), 0) == expected[i].direction);
        const std::string queue = option_of(block, options, 6);
        REQUIRE(queue.size() == 4);
        CHECK(number_at(std::as_bytes(std::span(queue)), 0) == expected[i].queue);
    }
    // And libpcap reads it.
    const auto packets = read_back(path);
    REQUIRE(packets.size() == 3);
    CHECK(packets[0].bytes == frame(61, 1));
    CHECK(packets[1].bytes == frame(64, 2));
    CHECK(packets[2].bytes == frame(65'557, 3));
    CHECK(packets[0].nanoseconds >= before);
    CHECK(packets[2].nanoseconds <= wall_clock());
}

TEST_CASE("pcap has no room for comments", "[capture]") {
    const Folder folder;
    CHECK_FALSE(Capture(folder.file("a.pcap")).takes_comments());
    CHECK(Capture(folder.file("a")).takes_comments());
}

}  // namespace skbtrail::device
