#include "tests/guest/nic_report.h"

#include <regex>
#include <sstream>

namespace skbtrail::tests {
namespace {

std::uint64_t number(const std::ssub_match& text) {
    return std::stoull(text.str());
}

}  // namespace

NicReport last_report(const std::string& log) {
    static const std::regex queue(
        R"(queue \d+ \((receive|transmit)\): (\d+) frames, \d+ bytes; dropped (\d+))");
    static const std::regex wire(
        R"(wire: from the guest (\d+) frames, \d+ bytes, dropped (\d+); )"
        R"(to the guest (\d+) frames, \d+ bytes, dropped (\d+), waiting (\d+))");
    NicReport report;
    NicReport complete;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_search(line, match, queue)) {
            QueueReport& sum = match[1] == "receive" ? report.receive : report.transmit;
            ++sum.queues;
            sum.frames += number(match[2]);
            sum.dropped += number(match[3]);
        } else if (std::regex_search(line, match, wire)) {
            report.wire_from_guest = number(match[1]);
            report.wire_to_guest = number(match[3]);
            report.wire_dropped = number(match[2]) + number(match[4]);
            report.wire_waiting = number(match[5]);
            complete = report;  // the wire's line is the last of a report
            report = {};
        }
    }
    return complete;
}

}  // namespace skbtrail::tests
