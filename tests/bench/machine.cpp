#include "tests/bench/machine.h"

#include <fstream>
#include <string>
#include <thread>

#include <sys/utsname.h>

namespace skbtrail::bench {
namespace {

std::string processor_model() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) {
            const auto colon = line.find(": ");
            return colon == std::string::npos ? line : line.substr(colon + 2);
        }
    }
    return "unknown";
}

}  // namespace

nlohmann::json describe_machine() {
    utsname system{};
    ::uname(&system);
    double one = 0;
    double five = 0;
    double fifteen = 0;
    std::ifstream("/proc/loadavg") >> one >> five >> fifteen;
    return {{"processor", processor_model()},
            {"processors", std::thread::hardware_concurrency()},
            {"kernel", std::string(system.release)},
            {"load", {one, five, fifteen}}};
}

}  // namespace skbtrail::bench
