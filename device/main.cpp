// skbtrail-nic: the virtio-net hardware of a virtual machine, over vhost-user.
//
// One thread, one event loop. The start of the program is here; the NIC is put together in
// nic.cpp.

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "device/control/ctl.h"
#include "device/nic.h"
#include "device/options.h"

namespace {

constexpr int could_not_start = 2;
constexpr int expectation_failed = 3;
constexpr int usage_error = 64;

}  // namespace

int main(int argc, char** argv) try {
    using namespace skbtrail::device;
    const int parent = ::getppid();  // before it can have changed

    if (argc > 1 && std::string_view(argv[1]) == "ctl") {
        return run_ctl(std::vector<std::string>(argv + 2, argv + argc));
    }
    const auto parsed = parse_options(argc, argv);
    if (const auto* const early = std::get_if<EarlyExit>(&parsed)) {
        std::fputs(early->message.c_str(), early->status == 0 ? stdout : stderr);
        return early->status;
    }
    const auto& options = std::get<NicOptions>(parsed);
    spdlog::set_default_logger(spdlog::stderr_color_mt("skbtrail-nic"));
    spdlog::set_pattern("%H:%M:%S.%e %n: %^%l%$: %v");
    spdlog::set_level(options.log_level);
    Nic nic(options, parent);
    nic.run();
    if (const std::string complaint = nic.complaint(); !complaint.empty()) {
        spdlog::error("{}", complaint);
        return expectation_failed;
    }
    return 0;
} catch (const std::invalid_argument& wrong) {
    std::fprintf(stderr, "skbtrail-nic: %s\nTry skbtrail-nic --help.\n", wrong.what());
    return usage_error;
} catch (const std::exception& error) {
    std::fprintf(stderr, "skbtrail-nic: %s\n", error.what());
    return could_not_start;
}
