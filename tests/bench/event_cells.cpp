// What it costs to record ring events: into a file, and for a reader who is too slow.

#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "device/unique_fd.h"
#include "tests/bench/pair.h"
#include "tests/bench/suites.h"

namespace skbtrail::bench {
namespace {

/// Somebody who has asked for events and does not read them.
class SlowReader {
  public:
    explicit SlowReader(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string text = path.string();
        if (text.size() >= sizeof address.sun_path) {
            throw std::runtime_error(fmt::format("the socket path {} is too long", text));
        }
        std::memcpy(address.sun_path, text.data(), text.size());
        if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error(fmt::format("cannot connect to {}: {}", text,
                                                 std::generic_category().message(errno)));
        }
    }

  private:
    device::UniqueFd socket_;
};

Sample with_file(const Conditions& conditions, PairJob job) {
    const auto file = conditions.directory / "events.json";
    job.back.nic_arguments = {"--events", file.string()};
    Sample sample = run_pair(conditions, job, &start_nic);
    std::error_code none;
    const auto bytes = std::filesystem::file_size(file, none);
    if (!none) {
        sample.details["megabytes"] = static_cast<double>(bytes) / 1e6;
    }
    std::filesystem::remove(file, none);
    return sample;
}

Sample with_slow_reader(const Conditions& conditions, PairJob job) {
    const auto socket = conditions.directory / "events";
    job.back.nic_arguments = {"--events", "unix:" + socket.string()};
    std::unique_ptr<SlowReader> reader;
    return run_pair(conditions, job, [&](const Conditions& same, const BackEndJob& back) {
        auto nic = start_nic(same, back);
        reader = std::make_unique<SlowReader>(socket);
        return nic;
    });
}

Sample without(const Conditions& conditions, const PairJob& job) {
    return run_pair(conditions, job, &start_nic);
}

}  // namespace

std::vector<Cell> event_cells() {
    std::vector<Cell> cells;
    for (const Direction direction : {Direction::transmit, Direction::receive}) {
        PairJob job;
        job.back.direction = direction;
        const auto contender = [job](std::string name, auto* run) {
            return Contender{std::move(name), [job, run](const Conditions& conditions) {
                                 return run(conditions, job);
                             }};
        };
        for (const auto& [where, run] :
             {std::pair{"file", &with_file}, std::pair{"slow-reader", &with_slow_reader}}) {
            cells.push_back({.name = fmt::format("events/{}/{}", where, name_of(direction)),
                             .unit = "Mpps",
                             .more_is_better = true,
                             .contenders = {contender("recording", run),
                                            contender("not recording", &without)}});
        }
    }
    return cells;
}

}  // namespace skbtrail::bench
