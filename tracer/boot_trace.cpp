#include "tracer/boot_trace.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "tracer/assemble.h"
#include "tracer/chain/text.h"
#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

/// The thread that boots becomes the first process; until then it is called so.
constexpr std::uint32_t boot_thread = 1;
constexpr const char* boot_thread_name = "swapper/0";

void read_all(const TraceBuffer::Pipe& pipe, std::span<std::byte> page, Capture& capture) {
    for (;;) {
        const ssize_t got = ::read(pipe.fd.get(), page.data(), page.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != EAGAIN) {
            throw Failure(fmt::format("Cannot read what CPU {} recorded of the boot: {}.", pipe.cpu,
                                      std::strerror(errno)));
        }
        if (got <= 0) return;
        capture.add_page(pipe.cpu, page.first(static_cast<std::size_t>(got)));
    }
}

}  // namespace

std::vector<std::string> listed_functions(std::string_view text) {
    std::vector<std::string> names;
    for (const auto line : chain::split_lines(text)) {
        const auto words = split_words(line);
        if (!words.empty() && !words[0].starts_with('#')) names.emplace_back(words[0]);
    }
    return names;
}

BootTrace take_boot_trace(const std::string& tracefs, const GraphDecoder& decoder) {
    const auto tracer = read_file(tracefs + "/current_tracer");
    if (trim(tracer) != "function_graph") {
        throw Failure(fmt::format(
            "The kernel did not trace its boot: {}/current_tracer is {}. --boot-trace takes what "
            "ftrace=function_graph and ftrace_graph_filter=FUNCTION on its command line record.",
            tracefs, trim(tracer)));
    }
    BootTrace boot;
    boot.roots = listed_functions(read_file(tracefs + "/set_graph_function"));
    if (boot.roots.empty()) {
        throw Failure(
            "The kernel traced its boot without ftrace_graph_filter=FUNCTION on its command line, "
            "so it cannot be told where a chain begins.");
    }
    boot.traced = listed_functions(read_file(tracefs + "/set_ftrace_filter"));
    write_file(tracefs + "/tracing_on", "0");
    {
        const auto pipes = open_trace_pipes(tracefs);
        std::vector<std::byte> page(page_size(tracefs));
        for (const auto& pipe : pipes) read_all(pipe, page, boot.capture);
        boot.stats = trace_stats(tracefs, pipes);
    }
    // At rest, for whoever traces next: this recording, where there is only one function_graph.
    write_file(tracefs + "/current_tracer", "nop");
    write_file(tracefs + "/set_graph_function", "\n");
    write_file(tracefs + "/set_ftrace_filter", "\n");
    write_file(tracefs + "/options/overwrite", "1");
    write_file(tracefs + "/tracing_on", "1");
    boot.capture.decode(decoder);
    return boot;
}

FunctionTable functions_of_boot(const Capture& capture, const KernelSymbols& symbols,
                                const std::vector<std::string>& roots) {
    std::set<std::uint64_t> sites;
    for (const auto& [cpu, one] : capture.cpus()) {
        for (const auto& record : one.records) sites.insert(record.site);
    }
    FunctionTable table;
    for (const auto site : sites) {
        const auto symbol = symbols.symbol_at(site);
        if (!symbol) continue;  // counted as unknown when the tree is built
        Function function;
        function.name = std::string(symbol->name);
        function.site = site;
        function.symbol = symbol->address;
        const bool root = std::find(roots.begin(), roots.end(), symbol->name) != roots.end();
        if (root) function.roles = role::root;
        table.add(std::move(function));
    }
    return table;
}

void add_boot(const BootTrace& boot, const FunctionTable& functions, chain::Recording& recording) {
    auto assembled =
        assemble(boot.capture, functions, {}, {}, {{boot_thread, std::string(boot_thread_name)}});
    const auto before = static_cast<chain::ChainId>(assembled.chains.size());
    for (auto& chain : recording.chains) {
        chain.id += before;
        if (chain.nested_in) chain.nested_in->chain += before;
    }
    recording.chains.insert(recording.chains.begin(),
                            std::make_move_iterator(assembled.chains.begin()),
                            std::make_move_iterator(assembled.chains.end()));
    for (const auto& stats : boot.stats) {
        recording.losses.push_back({"boot_trace_full", stats.cpu,
                                    stats.overrun + stats.commit_overrun + stats.dropped,
                                    "entries and returns of the boot that its buffer had no room "
                                    "for"});
    }
    for (auto& loss : assembled.losses) {
        if (loss.count == 0) continue;
        loss.kind = "boot_" + loss.kind;
        recording.losses.push_back(std::move(loss));
    }
    auto& traced = recording.observed.traced;
    traced.insert(traced.end(), boot.traced.begin(), boot.traced.end());
    for (FunctionId id = 0; id < functions.size(); ++id) traced.push_back(functions[id].name);
    std::sort(traced.begin(), traced.end());
    traced.erase(std::unique(traced.begin(), traced.end()), traced.end());
}

}  // namespace skbtrail::tracer
