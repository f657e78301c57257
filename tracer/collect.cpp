#include "tracer/collect.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "tracer/assemble.h"
#include "tracer/boot_trace.h"
#include "tracer/calibrate.h"
#include "tracer/capture.h"
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
#include "tracer/losses.h"
#include "tracer/notes.h"
#include "tracer/observed.h"
#include "tracer/output_file.h"
#include "tracer/plan_choice.h"
#include "tracer/policy.h"
#include "tracer/raw_setting.h"
#include "tracer/reader.h"
#include "tracer/stream/line_output.h"
#include "tracer/stream/stream.h"
#include "tracer/thread_names.h"

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

/// Chooses the plan's functions for the tree. Those that the kernel does not have leave the plan;
/// their names are returned.
std::vector<std::string> choose_functions(TraceBuffer& buffer, Plan& plan,
                                          std::vector<chain::Unavailable>& unavailable) {
    std::vector<std::uint32_t> records;
    std::vector<std::string> names;
    for (const auto& function : plan.functions) {
        records.push_back(function.record);
        names.push_back(function.name);
    }
    const auto missing = buffer.choose(records, names);
    std::vector<std::string> missing_names;
    for (auto index = missing.rbegin(); index != missing.rend(); ++index) {
        const auto place = plan.functions.begin() + static_cast<std::ptrdiff_t>(*index);
        unavailable.push_back(
            {place->name,
             "its calls are not recorded: the kernel's list of functions ends before"});
        missing_names.push_back(place->name);
        plan.functions.erase(place);
    }
    return missing_names;
}

/// A loss for functions that were asked for and are not watched; the first ones by name.
chain::Loss loss_of(const char* kind, const char* what, const std::vector<std::string>& names) {
    constexpr std::size_t named = 5;
    const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(named, names.size()));
    auto detail = fmt::format("functions that were asked for and {}", what);
    if (!names.empty()) detail += fmt::format(": {}", fmt::join(names.begin(), end, ", "));
    if (names.size() > named) detail += fmt::format(" and {} more", names.size() - named);
    if (!names.empty()) detail += " (why: observed.unavailable)";
    return {kind, std::nullopt, names.size(), detail};
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
        // These tell a call's time, and are no calls themselves.
        if ((functions[id].roles & role::around_interrupts) != 0) continue;
        traced.insert(functions[id].name);
        if (functions[id].probed) probed.insert(functions[id].name);
    }
    observed.traced.assign(traced.begin(), traced.end());
    observed.probed.assign(probed.begin(), probed.end());
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

/// Root is asked for before anything else is looked at.
void demand_root() {
    if (::geteuid() == 0) return;
    throw Failure(
        "Recording needs root: the kernel lets nobody else trace it. Try: sudo skbtrail-collect …");
}

/// One recording, phase by phase. What a phase sets up is undone in reverse.
class Collection {
  public:
    Collection(const Options& options, StatusWriter& status);

    void prepare();
    void attach();
    void record();
    void conclude();

  private:
    void observe();
    void begin_stream();
    void watch();
    void conclude_stream(const std::vector<CpuStats>& buffers);
    void conclude_document(const std::vector<CpuStats>& buffers);
    void report(std::uint64_t bytes, std::size_t chains, std::size_t packets);

    const Options& options_;
    StatusWriter& status_;
    const SignalGuard signals_;
    Selection selection_;
    std::optional<OutputFile> document_;
    std::optional<LineOutput> lines_;

    std::string tracefs_;
    std::vector<Module> modules_;
    PlanInUse chosen_;

    std::optional<BootTrace> boot_;
    std::optional<GraphDecoder> decoder_;
    FunctionTable functions_;
    SavedState saved_;
    std::optional<TraceBuffer> buffer_;
    std::unique_ptr<Identity> identity_;

    std::vector<std::string> untraced_;  ///< functions that the kernel does not have after all
    std::vector<std::string> unprobed_;  ///< whose probe it refused

    Window window_;
    std::optional<Capture> capture_;
    std::optional<Stream> stream_;
    chain::Recording recording_;
    chain::Observed& observed_ = recording_.observed;
};

Collection::Collection(const Options& options, StatusWriter& status)
    : options_(options), status_(status) {
    selection_.filter = resolve_filter(options.filter);
    selection_.interrupts = options.interrupts;
    if (options.format == Format::json) {
        document_.emplace(options.output);
    } else {
        lines_.emplace(options.output);
    }
}

void Collection::prepare() {
    const Stopwatch preparing;
    tracefs_ = find_tracefs();
    check_tracer(tracefs_);
    modules_ = parse_modules(try_read_file("/proc/modules").value_or(""));
    chosen_ = choose_plan(options_, tracefs_, modules_);
    for (const auto& text : chosen_.plan.notes) note(text);
    // Before the trace buffer is asked for: it may be the one in which the boot's trace is.
    if (options_.boot_trace) boot_ = take_boot_trace(tracefs_, make_decoder(tracefs_));
    status_.prepared(preparing.seconds(), chosen_.computed);
}

void Collection::attach() {
    const Stopwatch attaching;
    auto& plan = chosen_.plan;
    const auto text_start = read_text_start();
    if (text_start == 0) {
        throw Failure(
            "The kernel hides the address of its text (_stext) from /proc/kallsyms. Allow root to "
            "see it: sysctl kernel.kptr_restrict=1");
    }
    std::optional<Plan> to_save;
    if (chosen_.computed && !options_.save_plan.empty()) to_save = plan;
    narrow_functions(plan, options_.functions, options_.roots);
    decoder_ = make_decoder(tracefs_);
    if (saved_.repaired() > 0) {
        note("the tracing settings that a killed skbtrail-collect left were put back");
    }
    remove_abandoned_kprobe_events(tracefs_);
    buffer_.emplace(tracefs_, options_.buffer_kib, saved_);
    if (options_.no_detach) buffer_->keep();
    observed_.unavailable = plan.unavailable;
    untraced_ = choose_functions(*buffer_, plan, observed_.unavailable);
    functions_ = place_functions(plan, text_start, modules_);

    if (!buffer_->is_private()) {
        observed_.calibration.emplace_back(
            "function_graph does not work in a trace instance of its own here, so the machine's "
            "own trace buffer is used");
    }
    // In this order ftrace calls the graph first and the program second, which the merge finds out
    // by itself, but most quickly when it is so.
    const auto variable = [text_start](const std::optional<std::int64_t>& offset) {
        return offset ? text_start + static_cast<std::uint64_t>(*offset) : 0;
    };
    const Circumstance here{options_,
                            selection_.filter,
                            tracefs_,
                            variable(plan.page_offset_base),
                            variable(plan.vmemmap_base),
                            *buffer_,
                            saved_};
    identity_ = make_identity(here, plan, functions_, observed_.unavailable, observed_.calibration,
                              unprobed_);
    if (to_save) {
        to_save->no_bpf = plan.no_bpf;
        write_whole(options_.save_plan, to_text(*to_save));
    }
    buffer_->enable();
    describe_functions(functions_, observed_);
    if (!options_.save_raw.empty()) {
        save_raw_setting(options_.save_raw, tracefs_, page_size(buffer_->directory()), functions_,
                         plan, *identity_);
    }
    status_.attached(observed_.traced.size(), observed_.probed.size(), attaching.seconds());
    if (signals_.end_requested()) {
        throw Failure("Interrupted before the command began: nothing was recorded.");
    }
}

/// What is known of the machine and of this program before the command.
void Collection::observe() {
    observed_.kernel_release = kernel_release();
    observed_.kernel_build_id = chosen_.plan.build_id;
    observed_.machine = machine_name();
    observed_.collector_version = SKBTRAIL_VERSION;
    observed_.clock = "mono";
    observed_.command = options_.command;
    observed_.tree_method = "function_graph";
    observed_.identity_method = identity_->method();
}

/// The first line tells the circumstances, so those that may change are looked at now too.
void Collection::begin_stream() {
    observed_.started = static_cast<chain::Nanoseconds>(now_ns());
    observed_.interfaces = list_interfaces();
    const StreamSetting setting{
        functions_, *decoder_,      identity_->decoder(), chosen_.plan.drop_reasons,
        selection_, options_.roots, name_of_living};
    stream_.emplace(*lines_, options_.format, setting, options_.memory_mib << 20U, observed_);
}

void Collection::record() {
    observe();
    selection_.marked = identity_->filters();
    if (lines_) {
        begin_stream();
    } else {
        capture_.emplace(options_.memory_mib << 20U);
    }
    Reader reader(*buffer_, *identity_, page_size(buffer_->directory()),
                  stream_ ? stream_->sink() : static_cast<RawSink&>(*capture_), options_.save_raw);
    buffer_->switch_on();
    identity_->switch_on();
    window_.begin = now_ns();
    if (stream_) stream_->begin(window_.begin);
    watch();
    window_.end = now_ns();
    identity_->switch_off();
    buffer_->switch_off();
    reader.finish();
}

/// Runs the command, or waits until somebody or a limit ends the recording.
void Collection::watch() {
    status_.command_started();
    Limits limits{options_.duration, {}};
    if (options_.command.empty()) {
        limits.enough = until_complete(*identity_, options_, stream_ ? &*stream_ : nullptr);
        wait_for_end(limits);
    } else {
        observed_.exit_status = run_command(options_.command, limits);
    }
    status_.command_ended(observed_.exit_status.value_or(0));
}

void Collection::conclude() {
    const auto buffers = buffer_->stats();
    observed_.started = static_cast<chain::Nanoseconds>(window_.begin);
    observed_.ended = static_cast<chain::Nanoseconds>(window_.end);
    observed_.interfaces = list_interfaces();
    observed_.page_offset = identity_->page_offset();
    add_kernel_losses(buffers, *identity_, recording_.losses);
    recording_.losses.push_back(
        loss_of("function_not_traced", "are not in the kernel's list", untraced_));
    recording_.losses.push_back(
        loss_of("function_not_attached", "whose probe the kernel refused", unprobed_));
    if (stream_) {
        conclude_stream(buffers);
    } else {
        conclude_document(buffers);
    }
    if (options_.no_detach) identity_->keep();
}

void Collection::conclude_stream(const std::vector<CpuStats>& buffers) {
    auto& assembler = stream_->assembler();
    for (const auto& stats : buffers) {
        assembler.add_counts(stats.cpu, identity_->counts(stats.cpu));
    }
    stream_->finish(window_.end);
    if (!observed_.page_offset) observed_.page_offset = assembler.page_offset();
    auto losses = assembler.losses();
    std::move(losses.begin(), losses.end(), std::back_inserter(recording_.losses));
    count_once(recording_.losses);
    stream_->conclude(observed_, recording_.losses);
    report(lines_->written(), stream_->chains(), stream_->packets());
}

void Collection::conclude_document(const std::vector<CpuStats>& buffers) {
    capture_->decode(*decoder_, identity_->decoder());
    if (!observed_.page_offset) observed_.page_offset = capture_->page_offset();
    for (const auto& stats : buffers) {
        capture_->add_counts(stats.cpu, identity_->counts(stats.cpu));
    }
    auto assembled = assemble(*capture_, functions_, window_, chosen_.plan.drop_reasons,
                              thread_names(tracefs_, threads_of(*capture_)), selection_);
    begin_at(assembled.chains, options_.roots);
    recording_.chains = std::move(assembled.chains);
    recording_.packets = std::move(assembled.packets);
    std::move(assembled.losses.begin(), assembled.losses.end(),
              std::back_inserter(recording_.losses));
    count_once(recording_.losses);
    if (boot_) {
        const auto symbols = read_file("/proc/kallsyms");
        const auto functions =
            functions_of_boot(boot_->capture, KernelSymbols(symbols), boot_->roots);
        add_boot(*boot_, functions, recording_);
    }
    report(document_->write(recording_), recording_.chains.size(), recording_.packets.size());
}

void Collection::report(std::uint64_t bytes, std::size_t chains, std::size_t packets) {
    status_.recording_written(bytes, chains, packets, chain::total(recording_.losses));
}

}  // namespace

void collect(const Options& options, StatusWriter& status) {
    demand_root();
    Collection collection(options, status);
    collection.prepare();
    collection.attach();
    collection.record();
    collection.conclude();
}

}  // namespace skbtrail::tracer
