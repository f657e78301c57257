// Who is who in a stream: TCP segments that each carry a serial number, cut by the guest's kernel
// or by the card, and merged where they come in.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "tests/guest/agent.h"
#include "tests/guest/identity_grade.h"
#include "tests/guest/program.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using namespace skbtrail::tests;

namespace {

constexpr std::size_t size = 1000;
constexpr std::uint32_t questions = 200;
constexpr std::uint32_t answers = 50;

/// The other end of the stream, on the host's loopback: reads it to its end, and sends its own.
class Peer {
  public:
    Peer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto* const name = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), name, length) != 0 || ::listen(listener_.get(), 1) != 0 ||
            ::getsockname(listener_.get(), name, &length) != 0) {
            throw std::system_error(errno, std::generic_category(), "the stream's other end");
        }
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] {
            while (serve()) {
            }
        });
    }
    ~Peer() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    /// Serves one connection; false: there will be none. A run that is repeated makes another.
    [[nodiscard]] bool serve() const {
        const skbtrail::device::UniqueFd socket(::accept(listener_.get(), nullptr, nullptr));
        if (socket.get() < 0) return false;
        char buffer[65536];
        while (::recv(socket.get(), buffer, sizeof buffer, 0) > 0) {
        }
        // So many at once as the NIC's wire takes at once, so that segments begin where they do.
        constexpr std::uint32_t at_once = 10;
        for (std::uint32_t i = 0; i < answers; i += at_once) {
            std::string payloads(at_once * size, '\0');
            for (std::uint32_t j = 0; j < at_once; ++j) {
                const auto wire = htonl(questions + 1 + i + j);
                std::memcpy(payloads.data() + j * size, "skbt", 4);
                std::memcpy(payloads.data() + j * size + 4, &wire, sizeof wire);
            }
            if (::send(socket.get(), payloads.data(), payloads.size(), MSG_NOSIGNAL) < 0) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return true;
    }

    skbtrail::device::UniqueFd listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

void make_lab(const fs::path& folder, std::uint16_t port, bool cut) {
    fs::create_directories(folder);
    const fs::path source = in_source("tests/guest/identity_stream");
    for (const char* name : {"prepare.sh", "expect.json"}) {
        fs::copy_file(source / name, folder / name);
    }
    auto lab = text_of(source / "lab.json");
    const std::string feature = "\"host_tso4\": ";
    const auto at = lab.find(feature + "false");
    REQUIRE(at != std::string::npos);
    lab.replace(at, feature.size() + 5, feature + (cut ? "false" : "true"));
    std::ofstream(folder / "lab.json") << lab;
    fs::copy_file(built_program("skbtrail-test-traffic"), folder / "traffic");
    std::ofstream(folder / "run.sh") << fmt::format(
        "#!/bin/sh\n/lab/traffic stream 1 {} {} 10.0.2.2 {}\n", questions, size, port);
    fs::permissions(folder / "run.sh", fs::perms::owner_all);
}

std::size_t segment_edges(const skbtrail::chain::Recording& recording) {
    std::size_t count = 0;
    for (const auto& packet : recording.packets) {
        count += static_cast<std::size_t>(
            std::count_if(packet.edges.begin(), packet.edges.end(),
                          [](const auto& edge) { return edge.kind == "segment"; }));
    }
    return count;
}

void record_and_grade(const std::string& kernel, bool cut) {
    const Scratch scratch;
    const Peer peer;
    make_lab(scratch.path() / "labs" / "stream", peer.port(), cut);
    const auto results = scratch.path() / "results";
    Program lab(scratch, {"skbtrail", "run", "stream", "--labs", scratch.path() / "labs",
                          "--output", results, "--kernel", kernel});
    // It is run again where calls were hidden from the probes, twice at most.
    const int status = lab.wait(std::chrono::minutes(6));
    INFO(lab.output());
    REQUIRE((status == 0 || status == 2));
    Truth truth;
    read_sockets(text_of(results / "output.txt"), {"tcp"}, truth);
    CHECK(truth.sockets.at("tcp").serials.size() == answers);
    truth.captured = read_capture(results / "capture.pcap");
    const auto recording = skbtrail::chain::load_recording(results / "recording.json");
    const auto graded = grade_stream(recording, truth, cut);
    const auto hidden = skbtrail::chain::total(recording.losses);
    std::cout << fmt::format("{}, cut by {}: {}, {} losses", kernel, cut ? "kernel" : "card",
                             graded.text(), hidden)
              << std::endl;
    INFO(graded.text());
    const double wanted = hidden == 0 ? 1 : 0.9;
    CHECK(graded.precision() >= wanted);
    CHECK(graded.recall() >= wanted);
    // Without packets to cut, or frames that held several payloads, it would prove nothing.
    const auto edges = segment_edges(recording);
    if (cut) {
        CHECK(edges > questions / 2);
        CHECK(graded.serials > (questions + answers) * 9 / 10);
    } else {
        CHECK(edges == 0);
        const auto several =
            std::count_if(truth.captured.begin(), truth.captured.end(),
                          [](const auto& frame) { return frame.serials.size() > 1; });
        CHECK(several > 20);
    }
}

}  // namespace

TEST_CASE("each segment of a stream is in one packet's history, whoever cut it") {
    record_and_grade("6.12", true);
    record_and_grade("6.12", false);
}

TEST_CASE("each segment of a stream that the newest kernel cut is in one packet's history",
          "[.all]") {
    const auto kernel = newest_kernel();
    const auto image = kernel.vmlinux.parent_path() / "vmlinuz";
    record_and_grade(fmt::format("{},modules={}", image.string(), kernel.modules.string()), true);
}
