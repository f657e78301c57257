#include "tracer/collect.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/assemble.h"
#include "tracer/bpf/prober.h"
#include "tracer/capture.h"
#include "tracer/chain/recording_json.h"
#include "tracer/chain/text.h"
#include "tracer/command.h"
#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/filter/narrow.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/ftrace/functions.h"
#include "tracer/ftrace/kprobe_events.h"
#include "tracer/ftrace/saved_state.h"
#include "tracer/ftrace/trace_buffer.h"
#include "tracer/function_table.h"
#include "tracer/observed.h"
#include "tracer/plan.h"
#include "tracer/plan_compute.h"
#include "tracer/policy.h"
#include "tracer/reader.h"
#include "tracer/stream/line_output.h"
#include "tracer/stream/stream.h"

namespace skbtrail::tracer {

namespace {

class Stopwatch {
  public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void note(const std::string& text) {
    fmt::print(stderr, "skbtrail-collect: {}\n", text);
}

void write_whole(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) throw Failure(fmt::format("Cannot write {}: {}.", path, std::strerror(errno)));
}

/// The file of the recording. Opened early: nobody wants to learn after the command that it cannot
/// be written. One that was made for nothing is removed.
class OutputFile {
  public:
    explicit OutputFile(const std::string& path)
        : path_(path), existed_(::access(path.c_str(), F_OK) == 0) {
        const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        if (!fd) fail();
    }
    ~OutputFile() {
        if (!written_ && !existed_) ::unlink(path_.c_str());
    }
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    /// Returns the recording's size in bytes.
    std::uint64_t write(const chain::Recording& recording) {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        chain::write_json(recording, file);
        file.flush();
        const auto size = static_cast<std::int64_t>(file.tellp());
        file.close();
        if (!file) fail();
        written_ = true;
        return size < 0 ? 0 : static_cast<std::uint64_t>(size);
    }

  private:
    [[noreturn]] void fail() const {
        throw Failure(
            fmt::format("The recording cannot be written to {}: {}.", path_, std::strerror(errno)));
    }

    std::string path_;
    bool existed_;
    bool written_ = false;
};

struct PlanInUse {
    Plan plan;
    bool computed = false;
};

PlanInUse get_plan(const Options& options, const std::string& tracefs,
                   const std::vector<Module>& modules) {
    Circumstances now;
    now.collector = own_build_id();
    now.build_id = kernel_build_id();
    for (const auto& module : modules) now.modules.push_back({module.name, module.size});

    if (!options.plan.empty()) {
        if (const auto text = try_read_file(options.plan)) {
            try {
                auto plan = parse_plan(*text);
                const auto why = why_unfit(plan, now);
                if (why.empty()) return {std::move(plan), false};
                note(fmt::format("the plan in {} is not used: {}", options.plan, why));
            } catch (const Failure& failure) {
                note(fmt::format("the plan in {} is not used: {}", options.plan, failure.what()));
            }
        } else if (options.plan != options.save_plan) {
            note(fmt::format("there is no plan in {} yet: computing it", options.plan));
        }
    }
    auto plan = compute_plan(tracefs);
    plan.collector = std::move(now.collector);
    plan.build_id = std::move(now.build_id);
    plan.release = kernel_release();
    return {std::move(plan), true};
}

void choose_functions(TraceBuffer& buffer, const Plan& plan) {
    std::vector<std::uint32_t> records;
    std::vector<std::string> names;
    for (const auto& function : plan.functions) {
        records.push_back(function.record);
        names.push_back(function.name);
    }
    buffer.choose(records, names);
}

/// Sets the probes; those that the kernel refuses become unavailable.
void attach(Identity& identity, const Plan& plan, FunctionTable& functions,
            std::vector<chain::Unavailable>& unavailable) {
    std::vector<Probe> probes;
    std::vector<FunctionId> ids;
    for (FunctionId id = 0; id < plan.functions.size(); ++id) {
        const auto& cookie = plan.functions[id].cookie;
        if (!cookie) continue;
        const auto& function = functions[id];
        probes.push_back({function.symbol, function.site, *cookie,
                          is_core(function.name, !function.module.empty())});
        ids.push_back(id);
    }
    const auto refused = identity.attach(probes);
    for (const auto& one : refused) {
        const auto id = ids[one.index];
        functions.not_probed(id);
        if (one.reason.empty()) continue;
        unavailable.push_back(
            {functions[id].name, fmt::format("its sk_buffs are not recorded: {}", one.reason)});
    }
}

struct Circumstance {
    const Options& options;
    const PacketFilter& filter;
    const std::string& tracefs;
    std::uint64_t page_offset_address = 0;
    std::uint64_t vmemmap_address = 0;
    const TraceBuffer& buffer;
    SavedState& saved;
};

/// Finds by trying how sk_buffs can be told on this kernel. What was found not to work is noted in
/// the plan, so that the next start need not try it again, and in `calibration`.
std::unique_ptr<Identity> make_identity(const Circumstance& here, Plan& plan,
                                        FunctionTable& functions,
                                        std::vector<chain::Unavailable>& unavailable,
                                        std::vector<std::string>& calibration) {
    const auto& wanted = here.options.identity;
    if (wanted == "bpf" || (wanted == "auto" && plan.no_bpf.empty())) {
        try {
            Prober::Options prober_options;
            prober_options.ring_kib = here.options.buffer_kib;
            prober_options.page_offset_address = here.page_offset_address;
            prober_options.vmemmap_address = here.vmemmap_address;
            prober_options.snaplen = here.options.snaplen;
            prober_options.filter = here.filter;
            auto prober = std::make_unique<Prober>(prober_options);
            attach(*prober, plan, functions, unavailable);
            return prober;
        } catch (const Failure& failure) {
            if (wanted == "bpf") throw;
            // What libbpf says is a page long, and of use to those only who ask for --identity bpf.
            plan.no_bpf = failure.what();
            plan.no_bpf.resize(std::min(plan.no_bpf.size(), plan.no_bpf.find(" (libbpf")));
            if (!plan.no_bpf.ends_with('.')) plan.no_bpf += '.';
        }
    }
    if (!plan.no_bpf.empty()) {
        calibration.push_back(
            fmt::format("BPF on many functions (kprobe.multi) does not work "
                        "here, so kprobe events are used: {}",
                        plan.no_bpf));
    }
    if (here.filter.cgroup != 0 || here.filter.process != 0 ||
        (here.filter.expression && !here.filter.expression->packet)) {
        throw Failure(fmt::format(
            "This kernel tells too little of packets to choose them by {}: {}",
            here.filter.cgroup != 0    ? "control group"
            : here.filter.process != 0 ? "process"
                                       : "their link header",
            plan.no_bpf.empty() ? "--identity kprobe-events knows their headers from the network "
                                  "header on, interface and namespace only."
                                : plan.no_bpf));
    }
    auto events = std::make_unique<KprobeEvents>(here.tracefs, here.buffer.directory(), plan.layout,
                                                 here.page_offset_address, here.saved);
    attach(*events, plan, functions, unavailable);
    return events;
}

/// The name of a thread that lives; empty: it does not.
std::string name_of_living(std::uint32_t tid) {
    return std::string(trim(try_read_file(fmt::format("/proc/{}/comm", tid)).value_or("")));
}

/// Names of the threads that still live, and those that ftrace saw run; threads that ended told
/// theirs in their events, where there are such events.
std::map<std::uint32_t, std::string> thread_names(const std::string& tracefs,
                                                  const std::vector<std::uint32_t>& threads) {
    std::map<std::uint32_t, std::string> seen;
    const auto saved = try_read_file(tracefs + "/saved_cmdlines").value_or("");
    for (const auto line : chain::split_lines(saved)) {  // "PID NAME"
        const auto blank = line.find(' ');
        std::uint32_t tid = 0;
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), tid);
        if (error != std::errc{} || blank == std::string_view::npos) continue;
        seen[tid] = line.substr(blank + 1);
    }
    std::map<std::uint32_t, std::string> names;
    for (const auto tid : threads) {
        if (auto name = name_of_living(tid); !name.empty()) {
            names[tid] = std::move(name);
        } else if (const auto known = seen.find(tid); known != seen.end()) {
            names[tid] = known->second;
        }
    }
    return names;
}

void add_kernel_losses(const std::vector<CpuStats>& buffers, const Identity& identity,
                       std::vector<chain::Loss>& losses) {
    std::vector<unsigned> cpus;
    for (const auto& stats : buffers) {
        cpus.push_back(stats.cpu);
        losses.push_back({"ring_buffer_overrun", stats.cpu, stats.overrun,
                          "entries and returns overwritten before they were read"});
        losses.push_back({"ring_buffer_commit_overrun", stats.cpu, stats.commit_overrun,
                          "entries and returns lost while an interrupt filled the buffer"});
        losses.push_back({"ring_buffer_dropped", stats.cpu, stats.dropped,
                          "entries and returns refused by a full buffer"});
    }
    auto more = identity.losses(cpus);
    std::move(more.begin(), more.end(), std::back_inserter(losses));
}

void describe_functions(const FunctionTable& functions, chain::Observed& observed) {
    std::set<std::string> traced;
    std::set<std::string> probed;
    for (FunctionId id = 0; id < functions.size(); ++id) {
        traced.insert(functions[id].name);
        if (functions[id].probed) probed.insert(functions[id].name);
    }
    observed.traced.assign(traced.begin(), traced.end());
    observed.probed.assign(probed.begin(), probed.end());
}

/// What a test needs beside the raw records to make sense of them. Roles that the policy knows by
/// name may change after a recording; those that types tell are only here.
void save_functions(const FunctionTable& functions, const std::string& directory) {
    std::string text;
    for (FunctionId id = 0; id < functions.size(); ++id) {
        const auto& function = functions[id];
        text += fmt::format("{:x} {:x} {} {:x} {} {}\n", function.site, function.symbol,
                            function.probed ? 1 : 0, function.roles, function.name,
                            function.module.empty() ? "-" : function.module);
    }
    write_whole(directory + "/functions", text);
}

/// Tells when as many packets came as were asked for, and had a second to come to their end; and
/// when nobody takes what is recorded. `stream` may be null.
std::function<bool()> until_complete(const Identity& identity, const Options& options,
                                     const Stream* stream) {
    if (options.filter.packets == 0 && stream == nullptr) return {};
    return [&identity, stream, wanted = options.filter.packets,
            since = std::optional<Stopwatch>()]() mutable {
        if (stream != nullptr && stream->over()) return true;
        if (!since && wanted != 0 && identity.packets_wanted() >= wanted) since.emplace();
        return since && since->seconds() > 1;
    };
}

}  // namespace

void collect(const Options& options, StatusWriter& status) {
    const Stopwatch preparing;
    if (::geteuid() != 0) {
        throw Failure(
            "Recording needs root: the kernel lets nobody else trace it. Try: sudo "
            "skbtrail-collect …");
    }
    const SignalGuard signals;
    Selection selection;
    selection.filter = resolve_filter(options.filter);
    std::optional<OutputFile> document;
    std::optional<LineOutput> lines;
    if (options.format == Format::json) {
        document.emplace(options.output);
    } else {
        lines.emplace(options.output);
    }
    const auto tracefs = find_tracefs();
    check_tracer(tracefs);
    const auto modules = parse_modules(try_read_file("/proc/modules").value_or(""));
    auto [plan, computed] = get_plan(options, tracefs, modules);
    for (const auto& text : plan.notes) note(text);
    status.prepared(preparing.seconds(), computed);

    const Stopwatch attaching;
    const auto text_start = read_text_start();
    if (text_start == 0) {
        throw Failure(
            "The kernel hides the address of its text (_stext) from /proc/kallsyms. Allow root to "
            "see it: sysctl kernel.kptr_restrict=1");
    }
    Plan whole_plan;
    if (computed && !options.save_plan.empty()) whole_plan = plan;
    narrow_functions(plan, options.functions, options.roots);
    auto functions = place_functions(plan, text_start, modules);
    const auto decoder = make_decoder(tracefs);
    SavedState saved;
    if (saved.repaired() > 0) {
        note("the tracing settings that a killed skbtrail-collect left were put back");
    }
    remove_abandoned_kprobe_events(tracefs);
    TraceBuffer buffer(tracefs, options.buffer_kib, saved);
    if (options.no_detach) buffer.keep();
    choose_functions(buffer, plan);

    chain::Recording recording;
    auto& observed = recording.observed;
    observed.unavailable = plan.unavailable;
    if (!buffer.is_private()) {
        observed.calibration.emplace_back(
            "function_graph does not work in a trace instance of its own here, so the machine's "
            "own trace buffer is used");
    }
    // In this order ftrace calls the graph first and the program second, which the merge finds out
    // by itself, but most quickly when it is so.
    const auto variable = [text_start](const std::optional<std::int64_t>& offset) {
        return offset ? text_start + static_cast<std::uint64_t>(*offset) : 0;
    };
    const Circumstance here{options,
                            selection.filter,
                            tracefs,
                            variable(plan.page_offset_base),
                            variable(plan.vmemmap_base),
                            buffer,
                            saved};
    const auto identity =
        make_identity(here, plan, functions, observed.unavailable, observed.calibration);
    if (computed && !options.save_plan.empty()) {
        whole_plan.no_bpf = plan.no_bpf;
        write_whole(options.save_plan, to_text(whole_plan));
    }
    buffer.enable();
    describe_functions(functions, observed);
    if (!options.save_raw.empty()) save_functions(functions, options.save_raw);
    status.attached(observed.traced.size(), observed.probed.size(), attaching.seconds());
    if (signals.end_requested()) {
        throw Failure("Interrupted before the command began: nothing was recorded.");
    }

    observed.kernel_release = kernel_release();
    observed.kernel_build_id = plan.build_id;
    observed.machine = machine_name();
    observed.collector_version = SKBTRAIL_VERSION;
    observed.clock = "mono";
    observed.command = options.command;
    observed.tree_method = "function_graph";
    observed.identity_method = identity->method();
    observed.interfaces = list_interfaces();

    selection.marked = identity->filters();
    Window window;
    observed.started = static_cast<chain::Nanoseconds>(now_ns());
    const auto memory = options.memory_mib << 20U;
    std::optional<Capture> capture;
    std::optional<Stream> stream;
    if (lines) {
        const StreamSetting setting{functions,         decoder,   identity->decoder(),
                                    plan.drop_reasons, selection, options.roots,
                                    name_of_living};
        stream.emplace(*lines, options.format, setting, memory, observed);
    } else {
        capture.emplace(memory);
    }
    {
        Reader reader(buffer, *identity, page_size(tracefs),
                      stream ? stream->sink() : static_cast<RawSink&>(*capture), options.save_raw);
        buffer.switch_on();
        identity->switch_on();
        window.begin = now_ns();
        if (stream) stream->begin(window.begin);
        status.command_started();
        Limits limits{options.duration, {}};
        if (options.command.empty()) {
            limits.enough = until_complete(*identity, options, stream ? &*stream : nullptr);
            wait_for_end(limits);
        } else {
            observed.exit_status = run_command(options.command, limits);
        }
        status.command_ended(observed.exit_status.value_or(0));
        window.end = now_ns();
        identity->switch_off();
        buffer.switch_off();
        reader.finish();
    }
    const auto buffers = buffer.stats();
    observed.started = static_cast<chain::Nanoseconds>(window.begin);
    observed.ended = static_cast<chain::Nanoseconds>(window.end);
    observed.interfaces = list_interfaces();
    observed.page_offset = identity->page_offset();
    add_kernel_losses(buffers, *identity, recording.losses);
    const auto total_of_losses = [&recording] {
        std::uint64_t lost = 0;
        for (const auto& loss : recording.losses) lost += loss.count;
        return lost;
    };

    if (stream) {
        for (const auto& stats : buffers) {
            const auto counts = identity->counts(stats.cpu);
            stream->assembler().add_counts(stats.cpu, counts.filtered, counts.lists_truncated);
        }
        stream->finish(window.end);
        if (!observed.page_offset) observed.page_offset = stream->assembler().page_offset();
        auto losses = stream->assembler().losses();
        std::move(losses.begin(), losses.end(), std::back_inserter(recording.losses));
        stream->conclude(observed, recording.losses);
        status.recording_written(lines->written(), stream->chains(), stream->packets(),
                                 total_of_losses());
        if (options.no_detach) identity->keep();
        return;
    }
    capture->decode(decoder, identity->decoder());
    if (!observed.page_offset) observed.page_offset = capture->page_offset();
    for (auto& [cpu, one] : capture->cpus()) {
        const auto counts = identity->counts(cpu);
        one.filtered = counts.filtered;
        one.lists_truncated += counts.lists_truncated;
    }
    auto assembled = assemble(*capture, functions, window, plan.drop_reasons,
                              thread_names(tracefs, threads_of(*capture)), selection);
    begin_at(assembled.chains, options.roots);
    recording.chains = std::move(assembled.chains);
    recording.packets = std::move(assembled.packets);
    std::move(assembled.losses.begin(), assembled.losses.end(),
              std::back_inserter(recording.losses));
    const auto bytes = document->write(recording);
    status.recording_written(bytes, recording.chains.size(), recording.packets.size(),
                             total_of_losses());
    if (options.no_detach) identity->keep();
}

}  // namespace skbtrail::tracer
