#include "tracer/options.h"

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::tracer;

namespace {

std::variant<Options, Exit> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "skbtrail-collect");
    return parse_options(static_cast<int>(words.size()), words.data());
}

Exit refused(std::vector<const char*> words) {
    const auto result = parse(std::move(words));
    REQUIRE(std::holds_alternative<Exit>(result));
    return std::get<Exit>(result);
}

}  // namespace

TEST_CASE("the command and its options stand behind --") {
    const auto result =
        parse({"--output", "r.json", "--plan", "p", "--", "ping", "-c", "1", "--output", "host"});
    REQUIRE(std::holds_alternative<Options>(result));
    const auto& options = std::get<Options>(result);
    CHECK(options.output == "r.json");
    CHECK(options.plan == "p");
    CHECK(options.command == std::vector<std::string>{"ping", "-c", "1", "--output", "host"});
    CHECK(options.status_fd == -1);
    CHECK_FALSE(options.no_detach);
}

TEST_CASE("numbers are taken within their limits") {
    const auto result = parse({"-o", "r", "--status-fd", "2", "--buffer-kib", "128", "--memory-mib",
                               "5", "--no-detach", "--", "true"});
    REQUIRE(std::holds_alternative<Options>(result));
    CHECK(std::get<Options>(result).buffer_kib == 128);
    CHECK(std::get<Options>(result).event_kib == 0);
    CHECK(std::get<Options>(result).memory_mib == 5);
    CHECK(std::get<Options>(result).status_fd == 2);
    CHECK(std::get<Options>(result).no_detach);
    CHECK(refused({"-o", "r", "--buffer-kib", "1", "--", "true"}).status == exit_usage);
    CHECK(refused({"-o", "r", "--memory-mib", "0", "--", "true"}).status == exit_usage);
    CHECK(refused({"-o", "r", "--status-fd", "-2", "--", "true"}).status == exit_usage);
}

TEST_CASE("a filter stands before --, and needs no quotes") {
    const auto result = parse({"-o", "r", "-i", "eth0", "icmp", "and", "host", "192.0.2.1",
                               "--max-packets", "3", "--", "ping", "-i", "1"});
    REQUIRE(std::holds_alternative<Options>(result));
    const auto& options = std::get<Options>(result);
    CHECK(options.filter.expression == "icmp and host 192.0.2.1");
    CHECK(options.filter.interface == "eth0");
    CHECK(options.filter.packets == 3);
    CHECK(options.command == std::vector<std::string>{"ping", "-i", "1"});
}

TEST_CASE("without a command it records until it is told to end") {
    const auto result = parse({"-o", "r", "--duration", "2.5", "--functions", "tcp_*,ip_*",
                               "--functions", "udp_*", "tcp"});
    REQUIRE(std::holds_alternative<Options>(result));
    const auto& options = std::get<Options>(result);
    CHECK(options.command.empty());
    CHECK(options.filter.expression == "tcp");
    CHECK(options.duration == 2.5);
    CHECK(options.functions == std::vector<std::string>{"tcp_*", "ip_*", "udp_*"});
}

TEST_CASE("wrong usage is told, with where to look") {
    for (const auto& words :
         std::vector<std::vector<const char*>>{{},
                                               {"--", "true"},
                                               {"-o", "r", "--"},
                                               {"-o", "r", "--what", "--", "true"},
                                               {"-o", "r", "--max-packets", "0", "--", "true"},
                                               {"-o", "r", "--duration", "-1", "--", "true"},
                                               {"-o", "r", "--snaplen", "2000", "--", "true"}}) {
        const auto exit = refused(words);
        CHECK(exit.status == exit_usage);
        CHECK(exit.is_error);
        CHECK(exit.text.find("--help") != std::string::npos);
    }
    CHECK(refused({"-o", "r", "--status-fd", "987", "--", "true"}).text.find("not open") !=
          std::string::npos);
}

TEST_CASE("help teaches, and is no error") {
    const auto exit = refused({"--help"});
    CHECK(exit.status == exit_ok);
    CHECK_FALSE(exit.is_error);
    CHECK(exit.text.find("Example") != std::string::npos);
    CHECK(exit.text.find("--save-plan") != std::string::npos);
    CHECK(refused({"--version"}).text.find("skbtrail-collect") == 0);
}

TEST_CASE("a stream of lines or text may go to the standard output, and --follow is that") {
    const auto format_of = [](std::vector<const char*> words) {
        const auto result = parse(std::move(words));
        REQUIRE(std::holds_alternative<Options>(result));
        return std::pair(std::get<Options>(result).format, std::get<Options>(result).output);
    };
    CHECK(format_of({"-o", "r"}) == std::pair(Format::json, std::string("r")));
    CHECK(format_of({"--follow"}) == std::pair(Format::text, std::string("-")));
    CHECK(format_of({"--follow", "icmp"}) == std::pair(Format::text, std::string("-")));
    CHECK(format_of({"--follow", "-o", "r"}) == std::pair(Format::text, std::string("r")));
    CHECK(format_of({"--format", "json-lines", "-o", "-"}) ==
          std::pair(Format::json_lines, std::string("-")));
    CHECK(refused({"-o", "-"}).status == exit_usage);
    CHECK(refused({"icmp"}).status == exit_usage);
    CHECK(refused({"--follow", "--format", "json-lines"}).status == exit_usage);
    CHECK(refused({"--format", "xml", "-o", "r"}).status == exit_usage);
}

TEST_CASE("a boot's trace is for a document, not for a stream") {
    const auto with = [](const char* format) {
        const char* const words[] = {"skbtrail-collect", "-o",   "x",  "--boot-trace",
                                     "--format",         format, "--", "true"};
        return parse_options(8, words);
    };
    const auto document = with("json");
    REQUIRE(std::holds_alternative<Options>(document));
    CHECK(std::get<Options>(document).boot_trace);
    const auto lines = with("json-lines");
    REQUIRE(std::holds_alternative<Exit>(lines));
    CHECK(std::get<Exit>(lines).status == exit_usage);
}
