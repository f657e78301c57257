#include "tracer/options.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::tracer {

namespace {

constexpr const char* description =
    "Records the way of every packet through the kernel while a command runs.\n"
    "\n"
    "Each chain of calls that handles packets, from the poll of a NAPI instance or a\n"
    "socket's system call down to the leaves, is recorded with its times, and at every\n"
    "call that takes an sk_buff where its head, data, tail and end stand. What could not\n"
    "be seen is counted in the recording.\n"
    "\n"
    "With EXPRESSION (pcap-filter(7): \"icmp and host 192.0.2.1\") only packets that it\n"
    "accepts when they are first seen are recorded, and those are followed to their end,\n"
    "whatever becomes of their headers.\n";

constexpr const char* footer =
    "\n"
    "Examples:\n"
    "  skbtrail-collect --output ping.json -- ping -c 1 192.0.2.1\n"
    "  skbtrail-collect --output ping.json -i eth0 icmp -- ping -c 1 192.0.2.1\n"
    "then look at it with: skbtrail show ping.json\n"
    "  skbtrail-collect --follow -i eth0 icmp\n"
    "\n"
    "The first start on a kernel reads its symbols and types for a second or two. Keep\n"
    "what it found, and the next start is quick:\n"
    "  skbtrail-collect --plan plan --save-plan plan --output ping.json -- ping …\n"
    "\n"
    "Needs root, tracefs, and a kernel with function_graph, BTF, and either kprobe.multi\n"
    "(CONFIG_FPROBE) or kprobe events: tried on Debian's 6.1, 6.12 and 7.3. Other tracing\n"
    "on the machine is left alone; a kernel that has function_graph at the top of tracefs\n"
    "only gets its settings back afterwards.\n"
    "\n"
    "Exit status: 0 recorded, whatever the command's status was (the recording has it);\n"
    "2 could not record, or nobody read the output to its end; 64 wrong usage.\n";

void add_filter_options(CLI::App& app, Options& options) {
    auto* group = app.add_option_group("Which packets", "All that is given must be so:");
    group->add_option("-i,--interface", options.filter.interface, "Packets that pass it")
        ->type_name("NAME");
    group
        ->add_option("--netns", options.filter.netns,
                     "Packets in a network namespace: a name, a path, or a process's number")
        ->type_name("NETNS");
    group
        ->add_option("--cgroup", options.filter.cgroup,
                     "Packets of sockets in a control group (version 2) and those below it")
        ->type_name("PATH");
    group->add_option("--process", options.filter.process, "Packets that a process sends or takes")
        ->type_name("PID")
        ->check(CLI::Range(1U, 1U << 22U));
    group
        ->add_option("--max-packets", options.filter.packets,
                     "The first N packets, each to its end, and no more")
        ->type_name("N")
        ->check(CLI::Range(1U, 1U << 30U));
    group
        ->add_option("--snaplen", options.snaplen,
                     "Look at N bytes of a packet for its headers, from the network header on")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(20U, 96U));
    auto* calls = app.add_option_group("Which calls, and for how long");
    calls
        ->add_option(
            "--functions", options.functions,
            "Show these functions only, by globs (\"tcp_*,ip_*\"); those that tell packets "
            "apart are always recorded")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->take_all()
        ->type_name("GLOB,…");
    calls
        ->add_option("--roots", options.roots,
                     "Begin chains at these functions instead of polls and system calls")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->take_all()
        ->type_name("GLOB,…");
    calls->add_flag("--interrupts", options.interrupts,
                    "Make chains of what devices' interrupts did, too: they are given no packet");
    calls
        ->add_option("--duration", options.duration,
                     "Record for so many seconds; a command that still runs then is ended")
        ->type_name("SECONDS")
        ->check(CLI::PositiveNumber);
}

void add_output_options(CLI::App& app, Options& options) {
    app.add_option("-o,--output", options.output,
                   "File to write the recording to; \"-\": the standard output, of lines and text")
        ->type_name("FILE");
    app.add_option(
           "--format", options.format,
           "json: one document, at the end; json-lines: each chain and each packet a line, "
           "as soon as it is complete, however long it goes on; text: the same for a person")
        ->type_name("FORMAT")
        ->transform(CLI::Transformer(std::map<std::string, Format>{
            {"json", Format::json}, {"json-lines", Format::json_lines}, {"text", Format::text}}))
        ->default_str("json");
    app.add_flag_callback(
        "--follow", [] {}, "Short for --format text --output -: watch packets as they come");
}

/// What --follow stands for, and what must be given. Throws CLI::ParseError.
void settle_output(const CLI::App& app, Options& options) {
    if (app.count("--follow") > 0) {
        if (app.count("--format") > 0 && options.format != Format::text) {
            throw CLI::ValidationError("--follow", "is text, and --format asks for something else");
        }
        options.format = Format::text;
        if (options.output.empty()) options.output = "-";
    }
    if (options.output.empty()) throw CLI::RequiredError("--output, or --follow,");
    if (options.output == "-" && options.format == Format::json) {
        throw CLI::ValidationError("--output -",
                                   "the standard output takes --format json-lines or text");
    }
    if (options.boot_trace && options.format != Format::json) {
        throw CLI::ValidationError("--boot-trace",
                                   "is over when a stream begins: it needs --format json");
    }
}

}  // namespace

std::variant<Options, Exit> parse_options(int argc, const char* const* argv) {
    Options options;
    std::vector<std::string> expression;
    CLI::App app(description, "skbtrail-collect");
    app.footer(footer);
    app.set_version_flag("--version", std::string("skbtrail-collect ") + SKBTRAIL_VERSION);
    app.option_defaults()->take_last();
    add_output_options(app, options);
    app.add_option("--plan", options.plan,
                   "Use the plan in FILE if it fits this kernel and its modules")
        ->type_name("FILE");
    app.add_option("--save-plan", options.save_plan,
                   "Write the plan to FILE when it had to be computed")
        ->type_name("FILE");
    app.add_option("--status-fd", options.status_fd,
                   "Tell on descriptor N what happens, one JSON object a line")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--buffer-kib", options.buffer_kib,
                   "Trace buffer per CPU, and BPF ring buffer, in KiB")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{64}, std::uint64_t{1} << 20U));
    app.add_option("--event-kib", options.event_kib,
                   "BPF ring buffer for the sk_buffs, in KiB, if not as --buffer-kib")
        ->type_name("N")
        ->check(CLI::Range(std::uint64_t{64}, std::uint64_t{1} << 20U));
    app.add_option("--memory-mib", options.memory_mib,
                   "Keep at most N MiB of records; what comes later is counted as lost")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 20U));
    app.add_option("--identity", options.identity,
                   "How sk_buffs are told: bpf, kprobe-events, or auto: the first that works")
        ->type_name("WAY")
        ->capture_default_str()
        ->check(CLI::IsMember({"auto", "bpf", "kprobe-events"}));
    app.add_flag("--boot-trace", options.boot_trace,
                 "Also take what the kernel recorded of its boot, being told to by "
                 "ftrace=function_graph ftrace_graph_filter=FUNCTION on its command line");
    app.add_flag("--no-detach", options.no_detach,
                 "Leave the kernel patched at the end: for a machine about to power off");
    app.add_option("--save-raw", options.save_raw,
                   "Also keep the kernel's raw pages and events in DIRECTORY, for tests")
        ->type_name("DIRECTORY")
        ->check(CLI::ExistingDirectory);
    app.add_option("expression", expression, "A filter, as tcpdump takes it")
        ->take_all()
        ->type_name("EXPRESSION");
    add_filter_options(app, options);

    // What stands behind "--" is the command's, whatever it looks like.
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto end = std::find(words.begin(), words.end(), "--");
    if (end != words.end()) options.command.assign(end + 1, words.end());
    try {
        // CLI11 takes its arguments from the back.
        std::vector<std::string> own(std::make_reverse_iterator(end), words.rend());
        app.parse(std::move(own));
        settle_output(app, options);
        options.filter.expression = fmt::to_string(fmt::join(expression, " "));
        if (end != words.end() && options.command.empty()) {
            throw CLI::ValidationError("--", "no command stands behind it");
        }
    } catch (const CLI::Success& wanted) {
        return Exit{exit_ok,
                    wanted.get_name() == "CallForVersion" ? app.version() + "\n" : app.help(),
                    false};
    } catch (const CLI::ParseError& error) {
        return Exit{
            exit_usage,
            fmt::format("skbtrail-collect: {}\nTry: skbtrail-collect --help\n", error.what()),
            true};
    }
    if (options.status_fd >= 0 && ::fcntl(options.status_fd, F_GETFD) < 0) {
        return Exit{exit_usage,
                    fmt::format("skbtrail-collect: --status-fd {}: that descriptor is not open\n",
                                options.status_fd),
                    true};
    }
    return options;
}

}  // namespace skbtrail::tracer
