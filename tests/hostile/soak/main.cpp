// skbtrail_soak: a NIC and a busy wire for a long time, and what the NIC holds meanwhile.
//
//   skbtrail_soak [--minutes 60] [--rate 5000] [--report 300] [-- ARGUMENTS OF skbtrail-nic]
//
// A guest without a guest (guest.h) sends `rate` frames a second through the NIC, whose wire
// reflects them; every ten seconds a ring is stopped and started, every minute the front end leaves
// without a word and a new one comes, by turns with split and with packed rings. Built with a
// sanitizer, so is the NIC. Each `report` seconds a line says what the NIC holds: descriptors of
// files, memory, threads; descriptors of rings; and what became of the frames. The end compares
// with the beginning.
//
// Exit status: 0 the NIC lived, left nothing open and did not grow; 1 it did not; 64 wrong usage.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/hostile/soak/guest.h"
#include "tests/hostile/soak/nic_process.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using namespace skbtrail::hostile;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto beat = std::chrono::milliseconds(10);
constexpr auto restart_every = std::chrono::seconds(10);
constexpr auto leave_every = std::chrono::seconds(60);
/// Growth that is none: what an allocator keeps.
constexpr std::uint64_t allowed_growth_kib = 32 * 1024;

struct Wishes {
    std::chrono::milliseconds duration = std::chrono::minutes(60);
    std::chrono::milliseconds report = std::chrono::minutes(5);
    std::size_t rate = 5000;
    std::vector<std::string> nic;
};

std::optional<Wishes> parse(int argc, char** argv) {
    Wishes wishes;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--") {
            wishes.nic.assign(argv + i + 1, argv + argc);
            return wishes;
        }
        if (i + 1 == argc) {
            return std::nullopt;
        }
        const double number = std::atof(argv[++i]);
        if (word == "--minutes" && number > 0) {
            wishes.duration = std::chrono::milliseconds(static_cast<long>(number * 60'000));
        } else if (word == "--report" && number > 0) {
            wishes.report = std::chrono::milliseconds(static_cast<long>(number * 1000));
        } else if (word == "--rate" && number > 0) {
            wishes.rate = static_cast<std::size_t>(number);
        } else {
            return std::nullopt;
        }
    }
    return wishes;
}

/// A directory for the socket, gone at the end.
class Place {
  public:
    Place() {
        std::string name = "/tmp/skb-soak-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("no directory for the socket");
        }
        path_ = name;
    }
    ~Place() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    std::string socket() const { return path_ / "nic"; }

  private:
    fs::path path_;
};

std::string describe(const Holdings& held) {
    return fmt::format("fds {:3}  RSS {:6} KiB  threads {}  CPU {:.1f} s", held.descriptors,
                       held.resident_kib, held.threads, held.cpu_seconds);
}

std::string describe(const Tally& tally) {
    return fmt::format(
        "visits {}  frames sent {}  back {} (again {}, damaged {})  calls {}  in the rings: "
        "receive {}, transmit {}  broken {}",
        tally.visits, tally.sent, tally.intact, tally.again, tally.damaged, tally.calls,
        tally.held_give, tally.held_send, tally.broken);
}

void say(Clock::time_point start, const std::string& what) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start).count();
    fmt::print("{:3}:{:02}  {}\n", seconds / 60, seconds % 60, what);
    std::fflush(stdout);
}

int soak(const Wishes& wishes) {
    const Place place;
    std::vector<std::string> arguments = {"--socket", place.socket(), "--log-level", "error"};
    arguments.insert(arguments.end(), wishes.nic.begin(), wishes.nic.end());
    if (wishes.nic.empty()) {
        arguments.insert(arguments.end(), {"--wire", "reflect"});
    }
    NicProcess nic(skbtrail::tests::built_program("skbtrail-nic"), arguments);
    const auto start = Clock::now();
    const Holdings before = nic.holdings();
    say(start, "before: " + describe(before));

    Tally tally;
    const auto visit = [&] {
        const auto format = tally.visits % 2 == 0 ? RingFormat::split : RingFormat::packed;
        return std::make_unique<Guest>(place.socket(), tally, format);
    };
    auto guest = visit();
    std::optional<Holdings> settled;  // at the first report: caches are filled
    auto next_report = start + wishes.report;
    auto next_restart = start + restart_every;
    auto next_leave = start + leave_every;
    const std::size_t per_beat =
        std::max<std::size_t>(1, wishes.rate * static_cast<std::size_t>(beat.count()) / 1000);
    unsigned restarted = 0;
    auto next_beat = start;
    while (Clock::now() < start + wishes.duration && nic.alive()) {
        guest->work(per_beat);
        const auto now = Clock::now();
        if (now >= next_restart) {
            guest->restart(restarted++ % 2);
            next_restart = now + restart_every;
        }
        if (now >= next_leave) {
            guest.reset();
            guest = visit();
            next_leave = now + leave_every;
        }
        if (now >= next_report) {
            const Holdings held = nic.holdings();
            settled = settled.value_or(held);
            say(start, describe(held) + "  " + describe(tally));
            next_report = now + wishes.report;
        }
        // A beat that comes late is not made up for: the rate is a bound.
        next_beat = std::max(next_beat + beat, now);
        std::this_thread::sleep_until(next_beat);
    }
    if (!nic.alive()) {
        fmt::print("the NIC ended by itself, with status {}\n", nic.stop());
        return 1;
    }
    const Holdings busy = nic.holdings();
    say(start, "last:   " + describe(busy) + "  " + describe(tally));
    guest.reset();
    // Nobody tells when it has noticed.
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    Holdings after = nic.holdings();
    while (after.descriptors != before.descriptors && Clock::now() < deadline) {
        std::this_thread::sleep_for(beat);
        after = nic.holdings();
    }
    say(start, "after:  " + describe(after));
    const int status = nic.stop();

    int wrong = 0;
    const auto expect = [&](bool holds, const std::string& sentence) {
        if (!holds) {
            fmt::print("FAILED: {}\n", sentence);
            ++wrong;
        }
    };
    expect(status == 0, fmt::format("the NIC ended with status {}", status));
    expect(after.descriptors == before.descriptors, "descriptors were left open");
    expect(tally.broken == 0, "rings were given up");
    expect(tally.intact > 0, "no frame came back");
    expect(after.resident_kib <= settled.value_or(busy).resident_kib + allowed_growth_kib,
           "the NIC's memory grew");
    fmt::print("{}\n", wrong == 0 ? "ok" : "not ok");
    return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto wishes = parse(argc, argv);
    if (!wishes) {
        fmt::print(stderr,
                   "usage: skbtrail_soak [--minutes N] [--rate FRAMES] [--report SECONDS] "
                   "[-- NIC ARGUMENTS]\n");
        return 64;
    }
    // An hour of this must not be in anybody's way, and what the sanitizer keeps of freed memory
    // must not look like growth.
    ::setpriority(PRIO_PROCESS, 0, 15);
    ::setenv("ASAN_OPTIONS", "quarantine_size_mb=8", 0);
    return soak(*wishes);
} catch (const std::exception& error) {
    fmt::print(stderr, "skbtrail_soak: {}\n", error.what());
    return 1;
}
