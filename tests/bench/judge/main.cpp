// skbtrail-bench-judge: what `skbtrail check` and `skbtrail diff` take as recordings grow.
//
//     skbtrail-bench-judge [DIRECTORY [MOST_CALLS]]
//
// Makes recordings of 1,000 to 1,000,000 calls (a datagram comes in, is read, is answered; over and
// over), runs both commands on them, and prints a table: seconds, and the most memory against the
// size of the files that were read. In DIRECTORY, by default build/bench, it leaves the table
// (judge.tsv) and, where gnuplot is installed, a plot of it (judge.svg).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/places.h"
#include "tests/unit/recording_builder.h"
#include "tracer/chain/recording_json.h"

namespace {

namespace fs = std::filesystem;
using skbtrail::test::call;
using skbtrail::test::CallBuilder;
using skbtrail::test::RecordingBuilder;
using skbtrail::tests::built_program;

constexpr double megabyte = 1e6;
constexpr int rounds = 3;

CallBuilder receive(unsigned packet) {
    const auto takes = [packet](const char* name, std::vector<CallBuilder> below = {}) {
        return call(name, std::move(below)).skb(packet);
    };
    return call(
        "__napi_poll",
        {call(
            "virtnet_poll",
            {call("virtqueue_get_buf_ctx"),
             call("receive_buf", {call("page_to_skb"), takes("eth_type_trans"),
                                  takes("napi_gro_receive",
                                        {takes("dev_gro_receive"), takes("inet_gro_receive")})}),
             call(
                 "napi_complete_done",
                 {takes(
                     "netif_receive_skb_list_internal",
                     {takes(
                         "ip_list_rcv",
                         {takes("ip_rcv_core"),
                          takes("ip_sublist_rcv",
                                {takes("nf_hook_slow"), takes("ip_rcv_finish_core"),
                                 takes("ip_local_deliver",
                                       {takes(
                                           "ip_protocol_deliver_rcu",
                                           {takes("udp_rcv",
                                                  {takes("udp_unicast_rcv_skb"),
                                                   takes("__udp_enqueue_schedule_skb",
                                                         {call("sock_def_readable")})})})})})})})}),
             call("virtqueue_enable_cb_prepare")})});
}

CallBuilder read(unsigned packet) {
    return call(
        "__x64_sys_recvmsg",
        {call("sock_recvmsg",
              {call("udp_recvmsg", {call("__skb_recv_udp", {call("__skb_try_recv_from_queue")}),
                                    call("skb_copy_datagram_iter").skb(packet),
                                    call("consume_skb").skb(packet)})})});
}

struct Files {
    fs::path a;
    fs::path b;
    std::size_t calls = 0;
    double megabytes = 0;  ///< of one of them
};

std::size_t calls_in(const skbtrail::chain::Call& call) {
    std::size_t count = 1;
    for (const auto& below : call.calls) count += calls_in(below);
    return count;
}

/// Two recordings of about `calls` calls, equal but for their times.
Files make_files(const fs::path& directory, std::size_t calls) {
    Files files{directory / "a.json", directory / "b.json"};
    RecordingBuilder builder;
    const auto each = calls_in(receive(1).value()) + calls_in(read(1).value());
    const auto packets = static_cast<unsigned>(std::max<std::size_t>(calls / each, 1));
    for (unsigned packet = 1; packet <= packets; ++packet) {
        builder.packet(packet,
                       {{"ethertype", "0x0800"},
                        {"ip.source", "10.0.2.2"},
                        {"ip.destination", "10.0.2.15"},
                        {"ip.protocol", "udp"},
                        {"udp.destination", "7000"}},
                       "UDP 10.0.2.2:5000 > 10.0.2.15:7000");
        builder.chain(receive(packet));
        builder.chain(read(packet), 0, skbtrail::chain::Context::task);
    }
    auto recording = builder.build();
    files.calls = each * packets;
    const auto write = [&](const fs::path& file) {
        std::ofstream out(file);
        skbtrail::chain::write_json(recording, out);
        if (!out.flush()) throw std::runtime_error(fmt::format("cannot write {}", file.string()));
    };
    write(files.a);
    for (auto& chain : recording.chains) chain.root.start += 1'000'000;
    write(files.b);
    files.megabytes = static_cast<double>(fs::file_size(files.a)) / megabyte;
    return files;
}

constexpr const char* expectation = R"({
  "format": "skbtrail-expectation", "version": 1,
  "chains": [
    {"name": "received", "root": "__napi_poll", "packet": {"udp.destination": "7000"},
     "count": {"min": 1}, "bind": "it", "calls": [
       {"call": "virtnet_poll", "calls": [
         "...",
         {"call": "napi_complete_done", "calls": [
           {"somewhere": [{"call": "ip_rcv_core", "packet": "it"},
                          {"call": "udp_rcv", "packet": "it"}]}
         ]},
         "..."
       ]}
     ]},
    {"name": "read", "root": "__x64_sys_recvmsg", "packet": "it", "count": {"min": 1}, "calls": [
       {"somewhere": [{"call": "consume_skb", "packet": "it"}]}
     ]}
  ]
})";

struct Cost {
    double seconds = 1e9;
    double megabytes = 0;  ///< resident, at most
};

/// Runs skbtrail quietly. The quickest of some runs. Throws when its status is not 0.
Cost cost_of(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), built_program("skbtrail"));
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    Cost best;
    for (int round = 0; round < rounds; ++round) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        const auto begin = std::chrono::steady_clock::now();
        pid_t child = -1;
        const int error =
            ::posix_spawn(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        int status = -1;
        rusage usage{};
        if (error != 0 || ::wait4(child, &status, 0, &usage) != child || status != 0) {
            throw std::runtime_error(fmt::format(
                "skbtrail {} did not end with status 0 (wait status {})", arguments[1], status));
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        best.seconds = std::min(best.seconds, took.count());
        best.megabytes =
            std::max(best.megabytes, static_cast<double>(usage.ru_maxrss) * 1024 / megabyte);
    }
    return best;
}

struct Line {
    std::size_t calls = 0;
    double megabytes = 0;
    Cost check;
    Cost diff;
};

void plot(const fs::path& table, const fs::path& picture) {
    const auto command = fmt::format(
        "command -v gnuplot > /dev/null && gnuplot -e \"set terminal svg size 720,440; set output "
        "'{}'; set logscale xy; set key left top; set xlabel 'calls in a recording'; set ylabel "
        "'seconds'; set grid; plot '{}' using 1:3 skip 1 with linespoints title 'check', '' using "
        "1:5 skip 1 with linespoints title 'diff'\"",
        picture.string(), table.string());
    if (std::system(command.c_str()) != 0) fmt::print("(no plot: gnuplot is not here)\n");
}

void run(const fs::path& directory, std::size_t most) {
    fs::create_directories(directory);
    const auto files_at = directory / "judge";
    fs::create_directories(files_at);
    std::ofstream(files_at / "expect.json") << expectation;
    std::ofstream table(directory / "judge.tsv");
    table << "calls\tMB\tcheck_s\tcheck_MB\tdiff_s\tdiff_MB\n";
    fmt::print(
        "              a file   check             memory      diff              memory\n"
        "    calls         MB       s  µs/call   × files         s  µs/call   × files\n");
    for (std::size_t calls = 1000; calls <= most; calls *= 10) {
        const auto files = make_files(files_at, calls);
        const Line line{files.calls, files.megabytes,
                        cost_of({"check", files.a, "--expect", files_at / "expect.json"}),
                        cost_of({"diff", files.a, files.b})};
        const auto each = [&](const Cost& cost, int count) {
            return fmt::format("{:>7.2f} {:>8.2f} {:>9.1f}", cost.seconds,
                               1e6 * cost.seconds / static_cast<double>(line.calls),
                               cost.megabytes / (line.megabytes * count));
        };
        fmt::print("{:>9} {:>10.1f} {}   {}\n", line.calls, line.megabytes, each(line.check, 1),
                   each(line.diff, 2));
        std::fflush(stdout);
        table << fmt::format("{}\t{:.2f}\t{:.3f}\t{:.1f}\t{:.3f}\t{:.1f}\n", line.calls,
                             line.megabytes, line.check.seconds, line.check.megabytes,
                             line.diff.seconds, line.diff.megabytes);
    }
    table.close();
    plot(directory / "judge.tsv", directory / "judge.svg");
    fs::remove_all(files_at);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(argc > 1 ? argv[1] : "build/bench", argc > 2 ? std::stoul(argv[2]) : 1'000'000);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "skbtrail-bench-judge: {}\n", error.what());
        return 1;
    }
}
